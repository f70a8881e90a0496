// A client of Anima's WebSocket in one file, for Unity (2021 or newer, .NET Standard 2.1) and for .NET. It depends on
// nothing but System.Net.WebSockets. Frames are handed out as the text that came; UnityEngine.JsonUtility reads them into
// the classes below, and so does any other JSON library.
using System;
using System.Collections.Concurrent;
using System.Globalization;
using System.IO;
using System.Net.WebSockets;
using System.Runtime.Serialization;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Anima
{
    /// <summary>What every frame may have; fields that a frame lacks are null or zero. docs/protocol.md says what they mean.</summary>
    [Serializable]
    public class Frame
    {
        [OptionalField] public string type;
        [OptionalField] public string session;
        [OptionalField] public string turn;
        [OptionalField] public long seq;
        [OptionalField] public string epoch;
        [OptionalField] public bool resumed;
        [OptionalField] public int index;
        [OptionalField] public string text;
        [OptionalField] public string speech;
        [OptionalField] public string emotion;
        [OptionalField] public string[] actions;
        [OptionalField] public string reason;
        [OptionalField] public string code;
        [OptionalField] public string message;
    }

    /// <summary>One conversation. It connects, comes back by itself, and resumes where it was.</summary>
    public sealed class AnimaClient : IDisposable
    {
        private readonly Uri address;
        private readonly Func<string, Frame> read;
        private readonly CancellationTokenSource end = new CancellationTokenSource();
        private readonly SemaphoreSlim writing = new SemaphoreSlim(1, 1);
        private readonly ConcurrentDictionary<string, string> open = new ConcurrentDictionary<string, string>();
        private ClientWebSocket socket;
        private string epoch;
        private long lastSeq;

        /// <summary>Frames in the order in which they came. Take them out in Update(), on Unity's own thread.</summary>
        public ConcurrentQueue<Frame> Frames { get; } = new ConcurrentQueue<Frame>();

        /// <summary>The session's id, once the service has told it. Keep it to go on later.</summary>
        public string Session { get; private set; }

        /// <param name="url">ws://HOST:7871/ws</param>
        /// <param name="read">Reads a frame from its JSON: in Unity, <c>JsonUtility.FromJson&lt;Anima.Frame&gt;</c>.</param>
        /// <param name="session">The session to go on with, or null.</param>
        public AnimaClient(string url, Func<string, Frame> read, string session = null)
        {
            address = new Uri(url);
            this.read = read;
            Session = session;
        }

        /// <summary>Connects, and stays connected until Dispose. Do not wait for it: it ends with the conversation.</summary>
        public async Task Run()
        {
            var pause = 250;
            while (!end.IsCancellationRequested)
            {
                try
                {
                    using (socket = new ClientWebSocket())
                    {
                        await socket.ConnectAsync(address, end.Token);
                        await Write(Hello());
                        pause = 250;
                        await Receive();
                        var code = (int)(socket.CloseStatus ?? 0);
                        // 4500 and above: another client has the session, for example. Do not come back.
                        if (code >= 4500 && code <= 4999) return;
                    }
                }
                catch (Exception error) when (error is WebSocketException || error is IOException)
                {
                    // The service is away, or the network is.
                }
                catch (OperationCanceledException)
                {
                    return;
                }
                await Task.Delay(pause, end.Token).ContinueWith(_ => { });
                pause = Math.Min(pause * 2, 8000);
            }
        }

        /// <summary>The person said this. Returns the turn's id.</summary>
        public string Say(string words, string heard = null)
        {
            var turn = Guid.NewGuid().ToString("N");
            var frame = "{\"type\":\"say\",\"turn\":" + Quote(turn) + ",\"text\":" + Quote(words)
                + (heard == null ? "" : ",\"heard\":" + Quote(heard)) + "}";
            // Until it has ended it is sent again after a break; under its id it is answered once.
            open[turn] = frame;
            Send(frame);
            return turn;
        }

        /// <summary>Sentences 0 to this one were heard to their end.</summary>
        public void Spoken(string turn, int sentence)
        {
            Send("{\"type\":\"spoken\",\"turn\":" + Quote(turn) + ",\"sentence\":" + sentence.ToString(CultureInfo.InvariantCulture) + "}");
        }

        /// <summary>The person cut in; <paramref name="heard"/> is the text heard so far.</summary>
        public void Interrupt(string turn, string heard)
        {
            Send("{\"type\":\"interrupt\",\"turn\":" + Quote(turn) + ",\"heard\":" + Quote(heard) + "}");
        }

        /// <summary>Any other frame of the protocol, as JSON.</summary>
        public async void Send(string frame)
        {
            try
            {
                if (socket != null && socket.State == WebSocketState.Open) await Write(frame);
            }
            catch (Exception error) when (error is WebSocketException || error is ObjectDisposedException || error is OperationCanceledException)
            {
                // Run sees the break, too, and comes back.
            }
        }

        /// <summary>Ends the connection. A running turn goes on and is stored.</summary>
        public void Dispose()
        {
            end.Cancel();
        }

        private string Hello()
        {
            var hello = "{\"type\":\"hello\",\"playback\":\"acknowledged\"";
            if (Session != null) hello += ",\"session\":" + Quote(Session);
            if (lastSeq > 0) hello += ",\"resume_from\":" + lastSeq.ToString(CultureInfo.InvariantCulture) + ",\"epoch\":" + Quote(epoch);
            return hello + "}";
        }

        private async Task Receive()
        {
            var buffer = new byte[16 * 1024];
            var text = new MemoryStream();
            while (socket.State == WebSocketState.Open)
            {
                var part = await socket.ReceiveAsync(new ArraySegment<byte>(buffer), end.Token);
                if (part.MessageType == WebSocketMessageType.Close) return;
                text.Write(buffer, 0, part.Count);
                if (!part.EndOfMessage) continue;
                await Take(read(Encoding.UTF8.GetString(text.ToArray())));
                text.SetLength(0);
            }
        }

        private async Task Take(Frame frame)
        {
            if (frame.type == "welcome")
            {
                if (frame.epoch != epoch) lastSeq = 0;
                Session = frame.session;
                epoch = frame.epoch;
                if (!frame.resumed)
                {
                    foreach (var command in open.Values) await Write(command);
                }
            }
            if (frame.seq > 0)
            {
                if (frame.seq <= lastSeq) return;
                lastSeq = frame.seq;
            }
            if (frame.turn != null && (frame.type == "finished" || frame.type == "failed" || frame.type == "error"))
            {
                open.TryRemove(frame.turn, out _);
            }
            Frames.Enqueue(frame);
        }

        private async Task Write(string frame)
        {
            await writing.WaitAsync(end.Token);
            try
            {
                var bytes = new ArraySegment<byte>(Encoding.UTF8.GetBytes(frame));
                await socket.SendAsync(bytes, WebSocketMessageType.Text, true, end.Token);
            }
            finally
            {
                writing.Release();
            }
        }

        /// <summary>A text as JSON.</summary>
        private static string Quote(string text)
        {
            var json = new StringBuilder("\"");
            foreach (var character in text)
            {
                if (character == '"' || character == '\\') json.Append('\\').Append(character);
                else if (character < ' ' || char.IsSurrogate(character) || character == '\u2028' || character == '\u2029')
                    json.Append("\\u").Append(((int)character).ToString("x4", CultureInfo.InvariantCulture));
                else json.Append(character);
            }
            return json.Append('"').ToString();
        }
    }
}
