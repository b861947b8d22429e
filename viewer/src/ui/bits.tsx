// Small parts that all views are made of.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { count, duration, plural } from "../model/format";
import { OUTCOMES } from "../model/tests";
import type { Counts, Run } from "../protocol";
import { useStore } from "./context";

const SIGNS: Record<string, string> = {
    passed: "M3.5 8.5l3 3 6-7",
    failed: "M4.5 4.5l7 7m0-7l-7 7",
    error: "M8 3.5v5.5m0 2.6v.9",
    crashed: "M9 2.5L5 8.5h6L7 13.5",
    skipped: "M4 4.5l4 3.5-4 3.5m4-7l4 3.5-4 3.5",
    xfailed: "M4.5 8h7",
    xpassed: "M3.5 8.5l3 3 6-7",
    rerun: "M12 8a4 4 0 1 1-1.2-2.8M11 2.8v2.6H8.4",
    interrupted: "M6 4.5v7m4-7v7",
    running: "M8 8m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0",
};

/** The class that gives an outcome its colour; words that plugins made up have one in common. */
export const tone = (outcome: string): string => `o-${outcome in SIGNS ? outcome : "other"}`;

/** An outcome as a sign of its own shape, as colour alone does not tell it to everybody. */
export function Sign({ outcome }: { outcome: string }) {
    return (
        <svg class={`sign ${tone(outcome)}`} viewBox="0 0 16 16" role="img" aria-label={outcome}>
            <path d={SIGNS[outcome] ?? "M5 8h6"} />
        </svg>
    );
}

export function Outcome({ outcome }: { outcome: string }) {
    return (
        <span class="outcome">
            <Sign outcome={outcome} />
            <span>{outcome}</span>
        </span>
    );
}

/** Counts in the order of weight, those of zero left out. */
export function ordered(counts: Counts): [string, number][] {
    const known = OUTCOMES.filter((outcome) => counts[outcome]).map((outcome): [string, number] => [
        outcome,
        counts[outcome]!,
    ]);
    const others = Object.entries(counts).filter(
        ([word, n]) => n > 0 && !(OUTCOMES as readonly string[]).includes(word),
    );
    return [...known, ...others];
}

/** How many of what there are, and how many are still to come, as one bar. */
export function CountBar({ run }: { run: Run }) {
    const shown = ordered(run.counts).filter(([outcome]) => outcome !== "rerun");
    const seen = shown.reduce((sum, [, n]) => sum + n, 0);
    const all = Math.max(
        run.state === "running" || run.state === "interrupted" ? (run.collected ?? seen) : seen,
        seen,
        1,
    );
    const text = shown.map(([outcome, n]) => `${n} ${outcome}`).join(", ") || "no results yet";
    return (
        <div class={`count-bar ${run.state}`} role="img" aria-label={text} title={text}>
            {shown.map(([outcome, n]) => (
                <i key={outcome} class={tone(outcome)} style={{ width: `${(n / all) * 100}%` }} />
            ))}
        </div>
    );
}

const STATES: Record<string, string> = {
    success: "passed",
    failure: "failed",
    aborted: "interrupted",
    timed_out: "interrupted",
    skipped: "skipped",
};

/** How a run stands, in one word: its result once it is over. */
export function stateOf(run: Run): { word: string; tone: string } {
    if (run.state === "running") return { word: "running", tone: "running" };
    if (run.state === "interrupted") return { word: "interrupted", tone: "interrupted" };
    const outcome = STATES[run.status] ?? "skipped";
    const words: Record<string, string> = {
        success: "passed",
        failure: "failed",
        timed_out: "timed out",
        skipped: "no tests",
    };
    return { word: words[run.status] ?? (run.status || "finished"), tone: outcome };
}

export function StateBadge({ run }: { run: Run }) {
    const { word, tone: outcome } = stateOf(run);
    return (
        <span class="badges">
            <span class={`badge ${tone(outcome)}`}>
                <Sign outcome={outcome} />
                {word}
            </span>
            {run.state === "partial" && (
                <span class="badge o-interrupted" title={run.why}>
                    partial
                </span>
            )}
        </span>
    );
}

/** Copies a text, and says for a moment that it did. The text is made only then: it may be long. */
export function Copy({ text, children, title }: { text: () => string; children: ComponentChildren; title?: string }) {
    const [said, say] = useState("");
    const copy = async () => {
        say((await copied(text())) ? "Copied" : "Not allowed by the browser");
        setTimeout(() => say(""), 1500);
    };
    return (
        <button type="button" class="button" title={title} onClick={() => void copy()}>
            <span aria-live="polite">{said || children}</span>
        </button>
    );
}

/** The clipboard's own interface is missing where the page came by plain http from another host. */
export async function copied(text: string): Promise<boolean> {
    const written = await navigator.clipboard?.writeText(text).then(
        () => true,
        () => false,
    );
    if (written) return true;
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
}

/** The size of the line below a duration: how much it is of another one. */
export function lineSize(micros: number, of: number): string {
    return `${of > 0 ? Math.min(100, (micros / of) * 100) : 0}% 2px`;
}

export function Duration({ micros, of }: { micros: number; of?: number }) {
    const shared = of !== undefined && of > 0;
    return (
        <span
            class={shared ? "duration shared" : "duration"}
            style={shared ? { backgroundSize: lineSize(micros, of) } : undefined}
        >
            {duration(micros)}
        </span>
    );
}

/** What stands where there is nothing; with `level` it is the heading of the whole page. */
export function Empty({
    title,
    level: Title = "p",
    children,
}: {
    title: string;
    level?: "p" | "h1";
    children?: ComponentChildren;
}) {
    return (
        <div class="empty">
            <Title class="empty-title">{title}</Title>
            {children}
        </div>
    );
}

export function Trouble({ text }: { text: string }) {
    return text === "" ? null : (
        <p class="trouble" role="alert">
            {text}
        </p>
    );
}

export function Loading() {
    return (
        <p class="loading" role="status">
            Loading …
        </p>
    );
}

export function Facts({ items }: { items: [string, ComponentChildren][] }) {
    const given = items.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
    return given.length === 0 ? null : (
        <dl class="facts">
            {given.map(([name, value]) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{value}</dd>
                </div>
            ))}
        </dl>
    );
}

/** A choice of one among few, as buttons in a row. */
export function Choice<T extends string>({
    label,
    options,
    value,
    onChange,
}: {
    label: string;
    options: { value: T; text: ComponentChildren }[];
    value: T;
    onChange: (value: T) => void;
}) {
    return (
        <div class="choice" role="group" aria-label={label}>
            {options.map((option) => (
                <button
                    type="button"
                    key={option.value}
                    aria-pressed={option.value === value}
                    onClick={() => onChange(option.value)}
                >
                    {option.text}
                </button>
            ))}
        </div>
    );
}

/** An address of http only: what tests report may be anything, `javascript:` too. */
export function Outside({ url, children }: { url: string; children: ComponentChildren }) {
    return /^https?:\/\//i.test(url) ? (
        <a href={url} target="_blank" rel="noreferrer noopener">
            {children}
        </a>
    ) : (
        <>{children}</>
    );
}

/** A trace's place in another backend, as `--trace-url` has it; without one `otherwise`. */
export function TraceLink({
    trace,
    run = "",
    children,
    otherwise = null,
}: {
    trace: string;
    run?: string;
    children: ComponentChildren;
    otherwise?: ComponentChildren;
}) {
    const template = useStore().info.value?.traceUrl ?? "";
    if (template === "" || trace === "") return <>{otherwise}</>;
    const url = template.replaceAll("{trace_id}", trace).replaceAll("{run_id}", encodeURIComponent(run));
    return <Outside url={url}>{children}</Outside>;
}

/** Asks once, then removes from the receiver's store. */
export function Remove({
    what,
    id,
    asks,
    children,
}: {
    what: "runs" | "traces";
    id?: string;
    asks: string;
    children: ComponentChildren;
}) {
    const store = useStore();
    return (
        <button type="button" class="link dim" onClick={() => confirm(asks) && void store.remove(what, id)}>
            {children}
        </button>
    );
}

export const tests = (n: number): string => plural(n, "test");
export { count };
