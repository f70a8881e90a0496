// Talks with Anima in a terminal: `Talk.exe [URL] [WORDS]`. Everything is in AnimaClient.cs; this shows its use.
using System;
using System.IO;
using System.Runtime.Serialization;
using System.Runtime.Serialization.Json;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Anima;

public static class Talk
{
    public static int Main(string[] arguments)
    {
        Console.OutputEncoding = Encoding.UTF8;
        var url = arguments.Length > 0 ? arguments[0] : "ws://127.0.0.1:7871/ws";
        using (var client = new AnimaClient(url, Read))
        {
            var running = client.Run();
            var words = arguments.Length > 1 ? arguments[1] : Ask();
            while (words != null)
            {
                if (!Follow(client, running, words)) return 1;
                words = arguments.Length > 1 ? null : Ask();
            }
        }
        return 0;
    }

    private static string Ask()
    {
        Console.Write("> ");
        return Console.ReadLine();
    }

    // What an avatar does in Update(): take frames, say sentences, tell what was heard.
    private static bool Follow(AnimaClient client, Task running, string words)
    {
        string turn = null;
        while (true)
        {
            // As soon as there is a session; later ones at once.
            if (turn == null && client.Session != null) turn = client.Say(words);
            Frame frame;
            if (!client.Frames.TryDequeue(out frame))
            {
                if (running.IsCompleted)
                {
                    Console.WriteLine("(the conversation has ended: {0})", running.Exception);
                    return false;
                }
                Thread.Sleep(5);
                continue;
            }
            if (turn == null || frame.turn != turn) continue;
            if (frame.type == "sentence")
            {
                Console.Write("[{0}] {1}", frame.emotion, frame.text);
                client.Spoken(turn, frame.index);
            }
            else if (frame.type == "finished")
            {
                Console.WriteLine(" ({0})", frame.reason);
                return true;
            }
            else if (frame.type == "failed" || frame.type == "error")
            {
                Console.WriteLine("({0}: {1})", frame.code, frame.message);
                return false;
            }
        }
    }

    // Without Unity's JsonUtility. Missing fields stay null.
    private static Frame Read(string json)
    {
        var reader = new DataContractJsonSerializer(typeof(Frame));
        using (var bytes = new MemoryStream(Encoding.UTF8.GetBytes(json)))
        {
            return (Frame)reader.ReadObject(bytes);
        }
    }
}
