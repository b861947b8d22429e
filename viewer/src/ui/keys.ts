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
    if (typing(event)) return event.key === "ArrowDown" && event.target === field() && toRows(0);
    if (event.key.startsWith("Arrow")) return steps[event.key] !== undefined && onLine() && toLine(steps[event.key]!);
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
    else if ("jk".includes(key)) return toRows(steps[key]!);
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

const steps: Record<string, number> = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };

/** To the list or chart that has keys of its own; where there is none, from line to line of what is listed. */
function toRows(by: number): boolean {
    const rows = document.querySelector<HTMLElement>(".list :is(.rows, .chart-box), .fill .rows, .rows");
    rows?.focus();
    return rows !== null || toLine(by);
}

/** What each line of a plain list leads to, or opens. */
const LINES = ".run-name, .failure-list :is(a, summary), .slow a, .cause :is(summary, li a), .plain tbody tr";

function lines(): HTMLElement[] {
    return [...document.querySelectorAll<HTMLElement>(LINES)].flatMap((line) => {
        const found = line.matches("tr") ? line.querySelector<HTMLElement>("a") : line;
        return found?.checkVisibility() ? [found] : [];
    });
}

const onLine = (): boolean => lines().some((line) => line === document.activeElement);

function toLine(by: number): boolean {
    const all = lines();
    const from = all.findIndex((line) => line === document.activeElement);
    const to = from < 0 ? 0 : Math.max(0, Math.min(all.length - 1, from + by));
    all[to]?.focus();
    return all.length > 0;
}

function left(event: KeyboardEvent): boolean {
    const input = field();
    if (input && event.target === input && input.value !== "") go({ q: undefined }, { replace: true });
    else if (address.value.test !== undefined) go({ test: undefined, span: undefined });
    else return false;
    return true;
}
