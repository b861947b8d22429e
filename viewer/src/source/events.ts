// A browser opens six connections to a host: with a stream each, the seventh tab would hang. So one tab has the stream
// and hands on what it hears; when it goes, the next one takes over.

export interface Message {
    event: string;
    data: string;
}

type Deliver = (message: Message) => void;

const NAME = "pytest-otlp-events";
const EVENTS = ["hello", "reset", "progress", "tests", "grown", "removed", "traces"];
const RETRY = 1000;
const ASK = "ask";

/** Hear the server's events, on a connection shared with the other tabs where the browser can share (a secure context). */
export function shareEvents(deliver: Deliver): void {
    if (!("locks" in navigator) || !("BroadcastChannel" in self)) return void connect(deliver);
    const channel = new BroadcastChannel(NAME);
    let leads = false;
    let state = "";
    const tell = (message: Message) => {
        if (message.event === "connected") state = message.data;
        channel.postMessage(message);
        deliver(message);
    };
    channel.onmessage = ({ data }: MessageEvent<Message>) => {
        if (data.event !== ASK) deliver(data);
        else if (leads && state) channel.postMessage({ event: "connected", data: state });
    };
    channel.postMessage({ event: ASK, data: "" });
    void navigator.locks.request(NAME, () => {
        leads = true;
        connect(tell);
        return new Promise(() => {}); // held until this tab closes
    });
}

/** EventSource comes back by itself after a lost connection, not after a refusal: then it is opened anew. */
function connect(deliver: Deliver): void {
    const stream = new EventSource("/api/events");
    for (const event of EVENTS)
        stream.addEventListener(event, (message: MessageEvent<string>) => deliver({ event, data: message.data }));
    stream.onopen = () => deliver({ event: "connected", data: "true" });
    stream.onerror = () => {
        deliver({ event: "connected", data: "false" });
        if (stream.readyState === EventSource.CLOSED) setTimeout(() => connect(deliver), RETRY);
    };
}
