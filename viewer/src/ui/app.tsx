import { effect } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { address, setTheme, type Store, theme } from "../state";
import { Empty, Loading, Trouble } from "./bits";
import { StoreContext, useStore } from "./context";
import { listen } from "./keys";
import { RunPage } from "./run";
import { Runs } from "./runs";
import { Trace, Traces } from "./traces";

export function App({ store }: { store: Store }) {
    return (
        <StoreContext.Provider value={store}>
            <Page />
        </StoreContext.Provider>
    );
}

function Page() {
    const store = useStore();
    const help = useRef<HTMLDialogElement>(null);
    useEffect(() => listen(() => help.current?.showModal()), []);
    useEffect(() => effect(() => void (document.title = title(store))), [store]);
    return (
        <>
            <Top store={store} onHelp={() => help.current?.showModal()} />
            <main>
                <Trouble text={store.error.value} />
                {(store.info.value?.problems ?? []).map((problem) => (
                    <p key={problem} class="why" role="status">
                        {problem}
                    </p>
                ))}
                <Content />
            </main>
            <Help dialog={help} />
        </>
    );
}

function title(store: Store): string {
    const run = store.run(address.value.run ?? "");
    if (!run) return "pytest-otlp";
    const bad = (run.counts.failed ?? 0) + (run.counts.error ?? 0);
    const part = run.state === "running" && run.collected ? `${Math.floor((run.done / run.collected) * 100)} % ` : "";
    return `${part}${bad > 0 ? `✗ ${bad} ` : ""}${run.service || run.name} · pytest-otlp`;
}

function Content() {
    const store = useStore();
    const { run, view, trace } = address.value;
    // A report holds one run, and asks nobody.
    if (import.meta.env.MODE === "report") return run ? <RunPage key={run} id={run} /> : null;
    if (store.refused.value) return <Refused text={store.refused.value} />;
    if (!store.ready.value) return store.error.value ? null : <Loading />;
    if (trace) return <Trace key={trace} id={trace} />;
    if (view === "traces") return <Traces />;
    if (run) return <RunPage key={run} id={run} />;
    return (
        <>
            <h1 class="unseen">Runs</h1>
            <Runs />
        </>
    );
}

function Refused({ text }: { text: string }) {
    return (
        <Empty title="This browser may not look in yet" level="h1">
            <p>{text}</p>
            <p>
                Open the address that <code>pytest-otlp view</code> printed when it started: it holds the key.
            </p>
        </Empty>
    );
}

const THEMES = { "": "As the system", light: "Light", dark: "Dark" } as const;

function Top({ store, onHelp }: { store: Store; onHelp: () => void }) {
    const live = store.info.value?.live ?? false;
    return (
        <div class="top" role="banner">
            <a class="brand" href="#">
                <svg viewBox="0 0 20 20" aria-hidden="true">
                    <path d="M2 5h9M5 10h12M8 15h5" />
                </svg>
                pytest-otlp
            </a>
            {live && (
                <span class={`connection ${store.connected.value ? "on" : "off"}`} role="status">
                    {store.connected.value ? "live" : "receiver does not answer, trying again"}
                </span>
            )}
            {!live && store.ready.value && <span class="dim">report</span>}
            <span class="grow" />
            <select
                aria-label="Colours"
                value={theme.value}
                onChange={(event) => setTheme(event.currentTarget.value as keyof typeof THEMES)}
            >
                {Object.entries(THEMES).map(([value, text]) => (
                    <option key={value} value={value}>
                        {text}
                    </option>
                ))}
            </select>
            <button
                type="button"
                class="button icon"
                aria-label="Keys and filters"
                title="Keys and filters (?)"
                onClick={onHelp}
            >
                ?
            </button>
        </div>
    );
}

const KEYS: [string, string][] = [
    ["/", "to the filter (Ctrl+F too, where tests are listed)"],
    ["1 … 7", "the views of a run"],
    ["j k ↑ ↓", "next, previous row"],
    ["in the timeline", "j k: next, previous test; ↑ ↓: worker above, below"],
    ["Enter", "open"],
    ["Esc", "close the test, clear the filter"],
    ["f", "only what failed"],
    ["← →", "close and open a span; move the timeline"],
    ["z", "zoom in on a span"],
    ["+ − 0", "zoom the timeline"],
    ["r", "all runs"],
    ["t", "light or dark"],
    ["?", "this"],
];
const FILTERS: [string, string][] = [
    ["cart eur", "both texts in the test's id, its error or message"],
    ["outcome:failed,error", "one of these"],
    ["file:api  name:total", "part of the file, of the name"],
    ["marker:slow  worker:gw1", ""],
    ["duration:>1s  duration:5ms..20ms", "µs, ms, s, min"],
    ["type:AssertionError  phase:setup  is:flaky", ""],
    ["-marker:slow", "not"],
    ['"two words"', "with a space in it"],
];

function Help({ dialog }: { dialog: { current: HTMLDialogElement | null } }) {
    const list = (rows: [string, string][]) => (
        <dl>
            {rows.map(([key, text]) => (
                <div key={key}>
                    <dt>
                        <code>{key}</code>
                    </dt>
                    <dd>{text}</dd>
                </div>
            ))}
        </dl>
    );
    return (
        <dialog
            ref={dialog}
            class="help"
            aria-label="Keys and filters"
            onClick={(event) => {
                if (event.target === dialog.current) dialog.current?.close();
            }}
        >
            <form method="dialog">
                <h2>Keys</h2>
                {list(KEYS)}
                <h2>Filters</h2>
                {list(FILTERS)}
                <button class="button">Close</button>
            </form>
        </dialog>
    );
}
