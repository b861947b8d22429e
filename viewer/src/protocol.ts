// What the server and the report file say. Times are integers in µs: since 1970 where the name says epoch, else relative.

export type Value = string | number | boolean | null | Value[] | { [key: string]: Value };
export type Attributes = Record<string, Value>;

export interface Info {
    version: string;
    protocol: number;
    receiver: string;
    now: number;
    endpoints: { http?: string; grpc?: string };
    traceUrl: string;
    keeps: { runs: number; bytes: number };
    live: boolean;
    history: boolean;
    problems: string[];
}

export type State = "running" | "finished" | "interrupted" | "partial";
export type Counts = Record<string, number>;

export interface Running {
    nodeid: string;
    worker: string;
    start: number;
}

export interface Run {
    id: string;
    name: string;
    service: string;
    suite: string;
    start: number;
    end: number | null;
    duration: number;
    heard: number;
    /** Whether `heard` is when it happened, not when it was imported. */
    live: boolean;
    state: State;
    why: string;
    status: string;
    exitCode: number | null;
    error: string;
    collected: number | null;
    deselected: number;
    warnings: number;
    tests: number;
    counts: Counts;
    told: Counts | null;
    done: number;
    workers: number;
    rate: number;
    left: number | null;
    skew: number;
    spans: number;
    appSpans: number;
    logs: number;
    host: string;
    python: string;
    pytest: string;
    branch: string;
    commit: string;
    repository: string;
    change: string;
    url: string;
    traces: string[];
    running: Running[];
}

export interface SpanEvent {
    name: string;
    time: number;
    attributes: Attributes;
}

export interface RunMore extends Run {
    attributes: Attributes;
    resource: Attributes;
    events: SpanEvent[];
    /** Each warning once, the most frequent first; `test`: a row that caused it, -1 for none. Missing in older reports. */
    warned?: { category: string; message: string; place: string; count: number; test: number }[];
    /** What failed while the tests were collected. */
    problems: { name: string; message?: string; attributes?: Attributes; events?: SpanEvent[] }[];
}

export type Column<T = string | number> = T[] | { dict: T[]; values: number[] } | { same: T } | { delta: number[] };
export type Columns = Record<string, Column | undefined>;

export interface Tests {
    run: string;
    from: number;
    count: number;
    columns: Columns;
}

export interface More {
    attributes?: Attributes;
    events?: SpanEvent[];
    links?: { trace: string; span: string; attributes?: Attributes }[];
    message?: string;
    state?: string;
    orphan?: boolean;
    scope?: string;
    left?: number;
}

export interface Log {
    test: number;
    span: number;
    time: number;
    severity: number;
    text: string;
    event: string;
    resource: number;
    attributes: Attributes;
}

export interface SpanColumns {
    count: number;
    columns: Record<string, Column<string | number | More | null> | undefined>;
}

export interface Details {
    run: string;
    tests: number[];
    /** The id of the trace in which each of the tests is. */
    traces: Column<string>;
    first: number[];
    resources: Attributes[];
    spans: SpanColumns;
    logs: Log[];
    attempts?: number[];
}

export interface Fixtures {
    count: number;
    columns: Columns;
}

export interface Past {
    run: string;
    n: number;
    outcome: string;
    duration: number;
    start: number;
    branch: string;
    commit: string;
    attempts: number;
}

export interface Unstable {
    nodeid: string;
    outcomes: string[];
    changes: number;
}

export interface PlainTrace {
    id: string;
    name: string;
    service: string;
    start: number;
    duration: number;
    spans: number;
    errors: number;
}

export interface TraceDetails {
    trace: PlainTrace;
    resources: Attributes[];
    spans: SpanColumns;
    logs: Log[];
    cut?: number;
}

export interface FreshFailure {
    n: number;
    nodeid: string;
    outcome: string;
    type: string;
    message: string;
    duration: number;
    worker: string;
}

export interface Summary {
    info: Info;
    runs: RunMore[];
    tests: Record<string, Tests>;
    fixtures: Record<string, Fixtures>;
    chunks: Record<string, { size: number; first: number }>;
    traces: TraceDetails[];
}
