import { takeToken } from "../model/address";
import { shareEvents } from "./events";
import { type Listener, NotAllowed, type Source } from "./source";

const part = encodeURIComponent;

async function answer(path: string, options: RequestInit = {}): Promise<Response> {
    const response = await fetch(path, { ...options, credentials: "same-origin" }).catch(() => {
        throw new Error("The receiver does not answer: is `pytest-otlp view` still running?");
    });
    if (response.ok) return response;
    const said = await response.json().then(
        (body: { error?: string }) => body.error,
        () => undefined,
    );
    const text = said ?? `The receiver answered ${response.status} ${response.statusText}`;
    throw response.status === 401 ? new NotAllowed(text) : new Error(text);
}

const json = async <T>(path: string): Promise<T> => (await answer(path)).json() as Promise<T>;
const inside = async <T>(path: string, key: string): Promise<T> => (await json<Record<string, T>>(path))[key] as T;

/** Exchange the token in the fragment, where there is one, for the cookie. The token does not stay in the address bar. */
export async function signIn(): Promise<void> {
    const { token, rest } = takeToken(location.hash);
    if (token === null) return;
    history.replaceState(null, "", rest);
    await answer("/api/session", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ token }),
    });
}

const ofRun = (run: string): string => `/api/runs/${part(run)}`;

/** The server that this page came from. */
export const liveSource: Source = {
    info: () => json("/api/info"),
    runs: () => inside("/api/runs", "runs"),
    run: (id) => json(ofRun(id)),
    tests: (run, from) => json(`${ofRun(run)}/tests?from=${from}`),
    detail: (run, n) => json(`${ofRun(run)}/tests/${n}`),
    span: (run, n, _index, id) => json(`${ofRun(run)}/tests/${n}/spans/${part(id)}`),
    fixtures: (run) => inside(`${ofRun(run)}/fixtures`, "fixtures"),
    history: (run, nodeid) => inside(`${ofRun(run)}/history?nodeid=${part(nodeid)}`, "history"),
    unstable: (run) => inside(`${ofRun(run)}/unstable`, "unstable"),
    traces: () => inside("/api/traces", "traces"),
    trace: (id) => json(`/api/traces/${part(id)}`),
    spanOfTrace: (trace, id) => json(`/api/traces/${part(trace)}/spans/${part(id)}`),
    remove: async (what, id) => void (await answer(id ? ofRun(id) : `/api/${what}`, { method: "DELETE" })),
    follow: (listener) => shareEvents((message) => dispatch(listener, message.event, message.data)),
};

/** One message of the stream, as its text says it. */
function dispatch(listener: Listener, event: string, data: string): void {
    const said = JSON.parse(data || "{}");
    switch (event) {
        case "connected":
            return listener.connected(said as boolean);
        case "hello":
            return listener.hello(said);
        case "reset":
            return listener.reset();
        case "progress":
            return listener.progress(said.run, said.failures);
        case "tests":
            return listener.tests(said);
        case "grown":
            return listener.grown(said.run, said.tests);
        case "removed":
            return listener.removed(said.runs);
        case "traces":
            return listener.traces();
    }
}
