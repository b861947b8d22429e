import type { Attributes, Details, Log, More, SpanColumns, TraceDetails } from "../protocol";
import { values } from "./columns";
import { legible } from "./legible";

/** The spans of one test or trace, depth-first: a span's descendants follow it up to `last`. */
export interface SpanTree {
    count: number;
    id: string[];
    parent: Int32Array;
    depth: Uint16Array;
    /** Index of the last descendant, the span itself where it has none. */
    last: Int32Array;
    name: string[];
    resource: number[];
    kind: number[];
    start: number[];
    duration: number[];
    status: number[];
    more: (More | null)[];
    resources: Attributes[];
    logs: Log[];
    from: number;
    to: number;
}

/** The tree of one test out of details that may hold those of many. */
export function treeOfTest(details: Details, test: number, name: string): SpanTree | undefined {
    const place = details.tests.indexOf(test);
    if (place < 0) return undefined;
    const first = details.first[place]!;
    const end = details.first[place + 1] ?? details.spans.count;
    const tree = build(
        details.spans,
        first,
        end,
        details.resources,
        details.logs.filter((log) => log.test === test),
    );
    if (tree.count > 0) tree.name[0] ||= name;
    return tree;
}

/** The id of the trace in which a test is: with a trace for each file, another than the run's. */
export function traceOf(details: Details, test: number): string {
    return values(details.traces, details.tests.length, "")[details.tests.indexOf(test)] ?? "";
}

export function treeOfTrace(details: TraceDetails): SpanTree {
    return build(details.spans, 0, details.spans.count, details.resources, details.logs);
}

function build(spans: SpanColumns, first: number, end: number, resources: Attributes[], logs: Log[]): SpanTree {
    const column = <T>(key: string, missing: T) =>
        (values(spans.columns[key], spans.count, missing as never) as T[]).slice(first, end);
    const count = end - first;
    const parent = Int32Array.from(column<number>("parent", -1));
    const [start, duration] = [column<number>("start", 0), column<number>("duration", 0)];
    let [from, to] = [Infinity, -Infinity];
    for (let i = 0; i < count; i++) [from, to] = [Math.min(from, start[i]!), Math.max(to, start[i]! + duration[i]!)];
    return {
        count,
        parent,
        start,
        duration,
        resources,
        logs,
        ...nesting(parent),
        id: column("id", ""),
        name: column("name", "").map(legible),
        resource: column("resource", 0),
        kind: column("kind", 1),
        status: column("status", 0),
        more: column<More | null>("more", null),
        from: count ? from : 0,
        to: count ? Math.max(to, from + 1) : 1,
    };
}

function nesting(parent: Int32Array): { depth: Uint16Array; last: Int32Array } {
    const depth = new Uint16Array(parent.length);
    const last = Int32Array.from(parent, (_, i) => i);
    for (let i = 0; i < parent.length; i++) if (parent[i]! >= 0) depth[i] = depth[parent[i]!]! + 1;
    for (let i = parent.length - 1; i >= 0; i--) {
        const above = parent[i]!;
        if (above >= 0 && last[above]! < last[i]!) last[above] = last[i]!;
    }
    return { depth, last };
}

/** The spans that are to be seen: none within a closed one. */
export function visible(tree: SpanTree, closed: ReadonlySet<number>): Int32Array {
    const rows = new Int32Array(tree.count);
    let count = 0;
    for (let i = 0; i < tree.count; i = closed.has(i) ? tree.last[i]! + 1 : i + 1) rows[count++] = i;
    return rows.slice(0, count);
}

export type Role = "test" | "phase" | "fixture" | "subtest" | "app";

/** What a span stands for: pytest's own by their names and attributes, all else is the application's. */
export function role(tree: SpanTree, i: number): Role {
    if (tree.parent[i]! < 0 && i === 0) return "test";
    const attributes = tree.more[i]?.attributes ?? {};
    const name = tree.name[i]!;
    if (tree.resource[i] !== tree.resource[0]) return "app";
    if (tree.parent[i] === 0 && (name === "setup" || name === "call" || name === "teardown")) return "phase";
    if ("pytest.fixture.name" in attributes || name.startsWith("fixture ")) return "fixture";
    return name.startsWith("subtest") && "pytest.outcome" in attributes ? "subtest" : "app";
}

const KINDS = ["", "internal", "server", "client", "producer", "consumer"];

export const kindName = (kind: number): string => KINDS[kind] ?? "";

/** Severity numbers of OpenTelemetry (1 to 24) as words. */
export function severityName(severity: number): string {
    return ["", "trace", "debug", "info", "warning", "error", "fatal"][Math.ceil(severity / 4)] ?? "";
}

export interface Exception {
    span: number;
    type: string;
    message: string;
    stacktrace: string;
}

/** The exceptions of pytest's own spans (the application's stay in the waterfall), and where there are none, the status messages. */
export function exceptions(tree: SpanTree): Exception[] {
    const found: Exception[] = [];
    for (let i = 0; i < tree.count; i++) {
        if (role(tree, i) === "app") continue;
        for (const event of tree.more[i]?.events ?? []) {
            if (event.name !== "exception") continue;
            const text = (key: string) => legible(String(event.attributes[`exception.${key}`] ?? ""));
            found.push({ span: i, type: text("type"), message: text("message"), stacktrace: text("stacktrace") });
        }
    }
    return found;
}
