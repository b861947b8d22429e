import { address, dark, go, setTheme } from "../state";
import { VIEWS } from "./run";

const BAD = "outcome:failed,error,crashed,interrupted";

/** The keys of the whole page. Lists and canvases have their own, which come first. */
export function listen(help: () => void): () => void {
    const onKey = (event: KeyboardEvent) => {
        if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
        if (pressed(event, help)) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
}

const field = (): HTMLInputElement | null => document.querySelector("#filter");
const typing = (event: KeyboardEvent): boolean =>
    event.target instanceof Element && event.target.matches("input, textarea, select");

function pressed(event: KeyboardEvent, help: () => void): boolean {
    if (event.key === "f" && (event.ctrlKey || event.metaKey)) return toFilter(false);
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.key === "Escape") return left(event);
    if (typing(event)) return event.key === "ArrowDown" && event.target === field() && toRows();
    return shortcut(event.key, help);
}

function shortcut(key: string, help: () => void): boolean {
    const { run } = address.value;
    const view = VIEWS[Number(key) - 1];
    if (run && view) go({ run, ...nothing, view: view.key });
    else if (key === "/") return toFilter(true);
    else if (key === "?") help();
    else if (key === "t") setTheme(dark.value ? "light" : "dark");
    else if (key === "r") go({ run: undefined, ...nothing, view: undefined });
    else if (key === "f" && run) go({ view: "tests", q: address.value.q === BAD ? undefined : BAD, test: undefined });
    else if ("jk".includes(key)) return toRows();
    else return false;
    return true;
}

const nothing = {
    q: undefined,
    sort: undefined,
    test: undefined,
    span: undefined,
    with: undefined,
    kind: undefined,
    by: undefined,
    zoom: undefined,
    trace: undefined,
};

/** The browser's own search sees only the rows in sight: the filter takes its place, until it is pressed a second time. */
function toFilter(open: boolean): boolean {
    const input = field();
    if (input && document.activeElement === input && !open) return false;
    if (!input && !(open && address.value.run)) return false;
    if (!input) go({ view: "tests" });
    requestAnimationFrame(() => field()?.select());
    return true;
}

function toRows(): boolean {
    const rows = document.querySelector<HTMLElement>(".list .rows, .fill .rows, .rows");
    rows?.focus();
    return rows !== null;
}

function left(event: KeyboardEvent): boolean {
    const input = field();
    if (input && event.target === input && input.value !== "") go({ q: undefined }, { replace: true });
    else if (address.value.test !== undefined) go({ test: undefined, span: undefined });
    else return false;
    return true;
}
