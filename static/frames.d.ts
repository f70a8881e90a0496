/**
 * The frames of Anima's native WebSocket protocol, as a client sees them. docs/protocol.md says what each
 * field means; unknown fields may be added to any frame later.
 */
/** How the digital human looks while it says a sentence. */
export type Emotion = "neutral" | "joy" | "calm" | "sad" | "surprise" | "sorry" | "curious" | "proud" | "anger" | "fear";
/** What the check found. */
export type VerdictStatus = "supported" | "unsupported" | "contradicted" | "uncertain" | "not_checkable" | "unchecked";
/** How the model draws its words; see the ranges in docs/protocol.md. */
export interface Sampling {
    temperature?: number;
    top_p?: number;
    top_k?: number;
    min_p?: number;
    repetition_penalty?: number;
    frequency_penalty?: number;
    presence_penalty?: number;
    max_tokens?: number;
    stop?: string[];
}
/** What every frame of a turn carries. */
export interface TurnFrame {
    session: string;
    turn: string;
    /** Rises with every event of the session. */
    seq: number;
}
/** Where a claim rests: the id of a piece of evidence, with what the service tells about it. */
export type Source = string | number | Record<string, unknown>;
/** The answer to the first frame of a connection. */
export interface WelcomeFrame {
    type: "welcome";
    session: string;
    resumed: boolean;
    epoch: string;
    persona: string;
    provider: string;
    providers: string[];
    limits: {
        max_message_bytes: number;
        max_text_bytes: number;
        messages_per_minute: number;
    };
}
/** The person's words are kept; exactly one `finished` or `failed` follows. */
export interface AcceptedFrame extends TurnFrame {
    type: "accepted";
    replay?: boolean;
    durable?: boolean;
}
/** Waiting for the provider. */
export interface QueuedFrame extends TurnFrame {
    type: "queued";
    ahead: number;
}
/** A provider is answering. */
export interface StartedFrame extends TurnFrame {
    type: "started";
    provider: string;
    model: string;
}
/** Text for captions, or reasoning where `hello` asked for it. */
export interface TextFrame extends TurnFrame {
    type: "delta" | "reasoning";
    text: string;
}
/** One sentence, as it is stored and as it is sent. */
export interface Sentence {
    index: number;
    /** What to show. */
    text: string;
    /** What to say aloud; empty when nothing in the text can be said. */
    speech: string;
    emotion: Emotion;
    actions: string[];
    sources: Source[];
}
/** Speak this now. */
export interface SentenceFrame extends TurnFrame, Sentence {
    type: "sentence";
}
/** What the check says of a sentence, or of the whole answer. */
export interface Verdict {
    sentence?: number;
    status: VerdictStatus;
    reasons: string[];
    /** The places that the reasons are about, in Unicode code points. */
    spans?: Span[];
    sources?: Source[];
    /** How likely it is that the evidence does not bear it out, from 0 to 1. */
    score?: number;
    /** The sentence as the evidence has it. What is not proved is shown and never spoken. */
    correction?: {
        text: string;
        proved?: boolean;
    };
}
/** A place in a sentence. */
export interface Span {
    start: number;
    end: number;
    reason: string;
    /** The words there. */
    value: string;
    /** What the evidence has instead. */
    nearest?: string;
}
export interface VerdictFrame extends TurnFrame, Verdict {
    type: "verdict";
}
/** Milliseconds since the turn was accepted. */
export interface Timing {
    queued_ms: number;
    first_token_ms?: number;
    first_sentence_ms?: number;
    total_ms: number;
}
/** The turn has ended. */
export interface FinishedFrame extends TurnFrame {
    type: "finished";
    reason: "complete" | "interrupted" | "length" | "filtered";
    text: string;
    heard?: string;
    usage?: {
        prompt_tokens: number;
        completion_tokens: number;
        estimated?: boolean;
    };
    timing: Timing;
}
/** The turn's other end. */
export interface FailedFrame extends TurnFrame {
    type: "failed";
    code: string;
    message: string;
    retry_after_ms?: number;
}
/** How much of an answer was heard, as the service keeps it. */
export interface HeardFrame {
    type: "heard";
    turn: string;
    text: string;
}
/** Who answers from the next turn on. */
export interface SwitchedFrame {
    type: "switched";
    persona: string;
    provider: string;
}
/** The stored form of a turn. */
export interface Exchange {
    turn: string;
    position: number;
    /** `null` when it was a `speak`. */
    said: string | null;
    state: "running" | "finished" | "failed" | "incomplete";
    asked_at: string;
    text: string | null;
    heard: string | null;
    reason: FinishedFrame["reason"] | null;
    sentences: Sentence[];
    verdicts: Verdict[];
    provider: string;
    model: string;
    error: {
        code: string;
        message: string;
    } | null;
}
export interface HistoryFrame {
    type: "history";
    exchanges: Exchange[];
}
/** A frame that was not obeyed. */
export interface ErrorFrame {
    type: "error";
    code: string;
    message: string;
    id?: string | number;
    turn?: string;
    retry_after_ms?: number;
}
/** The service is about to end. */
export interface GoawayFrame {
    type: "goaway";
    time_left_ms: number;
}
/** Frames that carry nothing but their type. */
export interface BareFrame {
    type: "cleared" | "pong";
}
/** Everything that the service sends. */
export type ServerFrame = WelcomeFrame | AcceptedFrame | QueuedFrame | StartedFrame | TextFrame | SentenceFrame | VerdictFrame | FinishedFrame | FailedFrame | HeardFrame | SwitchedFrame | HistoryFrame | ErrorFrame | GoawayFrame | BareFrame;
