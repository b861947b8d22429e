import { batch, computed, effect, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { type Address, type Change, changed, fragment, parse } from "./model/address";
import { TestTable } from "./model/tests";
import type { Details, FreshFailure, Info, Run, RunMore, Tests } from "./protocol";
import { type Listener, NotAllowed, type Source } from "./source/source";

/** One run with its tests. `version` counts what came, as the table is the same object all along. */
export interface OpenRun {
    table: TestTable;
    version: ReadonlySignal<number>;
    loaded: ReadonlySignal<boolean>;
    error: ReadonlySignal<string>;
    more: ReadonlySignal<RunMore | undefined>;
}

interface Held extends OpenRun {
    version: Signal<number>;
    loaded: Signal<boolean>;
    error: Signal<string>;
    more: Signal<RunMore | undefined>;
    /** Until the rows that there are have come. */
    filling: Promise<void> | undefined;
}

/** ms: an answer that comes sooner is shown with the first frame of its place; to lay everything out twice takes longer. */
const HOLD = 40;

/** All that the page knows, and the only place that asks the source. */
export class Store {
    readonly info = signal<Info | undefined>(undefined);
    readonly runs = signal<Run[]>([]);
    readonly ready = signal(false);
    readonly connected = signal(true);
    readonly refused = signal("");
    readonly error = signal("");
    /** Counts the times that plain traces changed. */
    readonly traces = signal(0);
    readonly grown = signal<{ run: string; tests: number[] }>({ run: "", tests: [] });
    readonly failures = signal<Record<string, FreshFailure[]>>({});
    /** Epoch µs by the receiver's clock: how long ago something was does not depend on the reader's. */
    readonly now = signal(Date.now() * 1e3);
    private readonly open = new Map<string, Held>();
    private ahead: { run: string; n: number; details: Promise<Details>; value?: Details } | undefined;
    private receiver = "";
    private offset = 0;

    constructor(readonly source: Source) {}

    async start(): Promise<void> {
        let before: Address = {};
        effect(() => {
            const { run, test } = address.value;
            if (run === before.run && test === before.test) return;
            before = address.value;
            if (run && Number(test) >= 0) this.foresee(run, Number(test));
        });
        effect(() => this.openOnly());
        await this.refresh();
        this.source.follow(this.listener());
        if (this.info.value?.live) setInterval(() => this.tick(), 1000);
    }

    run(id: string): Run | undefined {
        return this.runs.value.find((run) => run.id === id);
    }

    /** The run's tests; they are asked for on first use and kept up from then on. */
    tests(id: string): OpenRun {
        let held = this.open.get(id);
        if (!held) {
            held = {
                table: new TestTable(),
                version: signal(0),
                loaded: signal(false),
                error: signal(""),
                more: signal<RunMore | undefined>(undefined),
                filling: undefined,
            };
            this.open.set(id, held);
            void this.fill(id, held);
        }
        return held;
    }

    /** A report holds one run: a list of runs says nothing there. */
    private openOnly(): void {
        const [only] = this.runs.value;
        if (only && !this.info.value?.live && !address.value.run) go({ run: only.id }, { replace: true });
    }

    private foreseen(run: string, n: number) {
        return this.ahead?.run === run && this.ahead.n === n ? this.ahead : undefined;
    }

    /** Ask for the test that the address names, or will name, while the page still makes room for it. */
    foresee(run: string, n: number): void {
        if (this.foreseen(run, n)) return;
        const ahead: Store["ahead"] = { run, n, details: this.source.detail(run, n) };
        this.ahead = ahead;
        ahead.details.then(
            (value) => (ahead.value = value),
            // It may not be there yet: who needs it asks again.
            () => this.ahead === ahead && (this.ahead = undefined),
        );
    }

    /** A test is here already, or takes so long that the page should make room for it. */
    async expect(run: string, n: number): Promise<void> {
        this.foresee(run, n);
        const there = this.ahead?.details.catch(() => {});
        await Promise.race([there, new Promise((done) => setTimeout(done, HOLD))]);
    }

    /** What has come of a test that was asked for ahead. */
    early(run: string, n: number): Details | undefined {
        return this.foreseen(run, n)?.value;
    }

    detail(run: string, n: number): Promise<Details> {
        const known = this.foreseen(run, n);
        this.ahead = undefined;
        return known?.details ?? this.source.detail(run, n);
    }

    /** One run, or all runs that are over, or all plain traces. */
    async remove(what: "runs" | "traces", id?: string): Promise<void> {
        try {
            await this.source.remove(what, id);
            if (id) this.forget([id]);
            else if (what === "runs") await this.refresh();
            else this.traces.value++;
        } catch (error) {
            this.fail(error);
        }
    }

    private tick(): void {
        this.now.value = Date.now() * 1e3 + this.offset;
    }

    private hello(info: Info): void {
        this.offset = info.live ? info.now - Date.now() * 1e3 : 0;
        if (!info.live) this.now.value = info.now;
        else this.tick();
        if (this.receiver !== "" && this.receiver !== info.receiver) void this.refresh();
        this.receiver = info.receiver;
        this.info.value = info;
    }

    /** Ask for everything anew; rows that are known stay. */
    private async refresh(): Promise<void> {
        try {
            const [info, runs] = await Promise.all([this.source.info(), this.source.runs()]);
            batch(() => {
                this.receiver = info.receiver;
                this.hello(info);
                this.runs.value = runs;
                this.ready.value = true;
                this.error.value = "";
                this.refused.value = "";
            });
        } catch (error) {
            this.fail(error);
        }
        for (const [id, held] of this.open) void this.fill(id, held);
    }

    private fail(error: unknown): void {
        const text = error instanceof Error ? error.message : String(error);
        if (error instanceof NotAllowed) this.refused.value = text;
        else this.error.value = text;
    }

    private listener(): Listener {
        return {
            connected: (yes) => {
                const back = yes && !this.connected.value;
                this.connected.value = yes;
                if (back) void this.refresh();
            },
            hello: (info) => this.hello(info),
            reset: () => void this.refresh(),
            progress: (run, failures) => batch(() => this.progress(run, failures)),
            tests: (tests) => this.take(tests),
            grown: (run, tests) => {
                this.ahead = undefined;
                this.grown.value = { run, tests };
            },
            removed: (runs) => this.forget(runs),
            traces: () => void this.traces.value++,
        };
    }

    private progress(run: Run, failures: FreshFailure[]): void {
        const before = this.run(run.id);
        this.runs.value = before
            ? this.runs.value.map((other) => (other.id === run.id ? run : other))
            : [run, ...this.runs.value].sort((a, b) => b.start - a.start);
        if (failures.length > 0) {
            const known = this.failures.value[run.id] ?? [];
            this.failures.value = { ...this.failures.value, [run.id]: [...known, ...failures].slice(-200) };
        }
        const held = this.open.get(run.id);
        if (held && (!before || toDescribe(before, run))) void this.describe(run.id, held);
    }

    private take(tests: Tests): void {
        const held = this.open.get(tests.run);
        if (!held) return;
        if (!held.table.append(tests)) void this.fill(tests.run, held);
        else held.version.value++;
    }

    /** The run's tests are there, or its error says why not. */
    async filled(id: string): Promise<void> {
        this.tests(id);
        await this.open.get(id)?.filling;
    }

    private fill(id: string, held: Held): Promise<void> {
        return (held.filling ??= this.load(id, held)
            .catch((error: Error) => {
                if (error instanceof NotAllowed) this.fail(error);
                held.error.value = error.message;
            })
            .finally(() => (held.filling = undefined)));
    }

    private async load(id: string, held: Held): Promise<void> {
        const run = this.run(id);
        // Fewer than are known: the receiver started this run anew.
        if (run && run.tests < held.table.count) held.table = new TestTable();
        // An answer holds a bounded number of rows.
        for (let more = true; more;) {
            const tests = await this.source.tests(id, held.table.count);
            held.table.append(tests);
            more = tests.count > 0 && held.table.count < (this.run(id)?.tests ?? 0);
            batch(() => {
                held.error.value = "";
                held.loaded.value = !more || held.loaded.value;
                held.version.value++;
            });
        }
        await this.describe(id, held);
    }

    private async describe(id: string, held: Held): Promise<void> {
        held.more.value = await this.source.run(id).catch(() => held.more.value);
    }

    private forget(ids: string[]): void {
        for (const id of ids) this.open.delete(id);
        this.runs.value = this.runs.value.filter((run) => !ids.includes(run.id));
    }
}

/** Whether what only the run itself tells may be another: how it ended, or what could not be collected. */
function toDescribe(before: Run, now: Run): boolean {
    return before.state !== now.state || (now.tests === 0 && before.spans !== now.spans);
}

/** The view, as the address bar holds it. */
export const address = signal<Address>(parse(location.hash));

/** ms: to write the address bar takes a browser as long as to filter, and some allow it only so often. */
const WRITE = 50;
let unwritten: { timer: ReturnType<typeof setTimeout>; over: string } | undefined;

/** Make the address bar say what is shown, unless it was changed meanwhile. */
function write(): void {
    if (unwritten?.over === location.hash) history.replaceState(null, "", fragment(address.value));
    forgo();
}

function forgo(): void {
    clearTimeout(unwritten?.timer);
    unwritten = undefined;
}

addEventListener("pagehide", write);
addEventListener("hashchange", () => {
    forgo();
    address.value = parse(location.hash);
});

/** Change the view. What is being typed or moved through takes the place of the last entry in the history instead of a new one. */
export function go(change: Change, { replace = false } = {}): void {
    const next = changed(address.value, change);
    if (fragment(next) === fragment(address.value)) return;
    if (!replace) {
        write();
        history.pushState(null, "", fragment(next));
    }
    address.value = next;
    if (replace) unwritten ??= { timer: setTimeout(write, WRITE), over: location.hash };
}

/** The link to another view; what is not said is not kept. */
export const link = (change: Change): string => fragment(change);

export type Theme = "" | "light" | "dark";

const THEME = "pytest-otlp-theme";
export const theme = signal<Theme>("");

/** What was chosen before; the browser asks another process for it. */
export function storedTheme(): Theme {
    try {
        const value = localStorage.getItem(THEME);
        return value === "light" || value === "dark" ? value : "";
    } catch {
        return ""; // a browser that keeps nothing for files
    }
}

/** Light or dark whatever the system says; "" is as the system says. */
export function setTheme(value: Theme): void {
    theme.value = value;
    try {
        localStorage.setItem(THEME, value);
    } catch {
        // then it holds until the page is closed
    }
}

const systemDark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => (systemDark.value = event.matches));

export const dark = computed(() => (theme.value === "" ? systemDark.value : theme.value === "dark"));
