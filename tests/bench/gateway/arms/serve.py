"""How every arm is served: one worker, uvloop, httptools, no access log."""

import sys

import uvicorn


def serve(app):
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=4096,
        ws_per_message_deflate=False,
    )
