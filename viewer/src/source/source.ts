import type {
    Details,
    Fixtures,
    FreshFailure,
    Info,
    More,
    Past,
    PlainTrace,
    Run,
    RunMore,
    Tests,
    TraceDetails,
    Unstable,
} from "../protocol";

/** What a source says by itself while it is followed. */
export interface Listener {
    /** The connection stands (again), or is lost. */
    connected(yes: boolean): void;
    hello(info: Info): void;
    /** Something may have been missed: ask for everything again. */
    reset(): void;
    progress(run: Run, failures: FreshFailure[]): void;
    tests(tests: Tests): void;
    grown(run: string, tests: number[]): void;
    removed(runs: string[]): void;
    traces(): void;
}

/** Where the data come from: a server while runs go on, or a report file. Failing, each promise has an Error with one line for people. */
export interface Source {
    info(): Promise<Info>;
    runs(): Promise<Run[]>;
    run(id: string): Promise<RunMore>;
    tests(run: string, from: number): Promise<Tests>;
    detail(run: string, n: number): Promise<Details>;
    span(run: string, n: number, index: number, id: string): Promise<More>;
    fixtures(run: string): Promise<Fixtures>;
    history(run: string, nodeid: string): Promise<Past[]>;
    unstable(run: string): Promise<Unstable[]>;
    traces(): Promise<PlainTrace[]>;
    trace(id: string): Promise<TraceDetails>;
    spanOfTrace(trace: string, id: string): Promise<More>;
    /** One run, or all runs that are over, or all plain traces. */
    remove(what: "runs" | "traces", id?: string): Promise<void>;
    follow(listener: Listener): void;
}

/** The server does not know this browser: it has to be opened by the address with the token. */
export class NotAllowed extends Error {}
