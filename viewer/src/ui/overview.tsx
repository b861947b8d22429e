import { useMemo } from "preact/hooks";
import { duration } from "../model/format";
import { legible } from "../model/legible";
import { otherEvents, problems } from "../model/problems";
import { slowestTests } from "../model/slowest";
import { isBad, type TestTable } from "../model/tests";
import type { FreshFailure, Run, RunMore, SpanEvent } from "../protocol";
import { link, type OpenRun } from "../state";
import { Duration, Empty, Facts, Outside, Sign, tests, TraceLink } from "./bits";
import { useLater, useStore } from "./context";
import { Problems } from "./failures";
import { shortMessage } from "./tests";
import { Traceback } from "./traceback";
import { AttributeList, text } from "./waterfall";

const MOST = 100;
/** Failures that fill a large screen. */
const FIRST = 30;

/** What one wants to know while a run goes on: what failed, what is running, what it is. */
export function Overview({ run, open }: { run: Run; open: OpenRun }) {
    const more = open.more.value;
    return (
        <div class="overview">
            <div class="column">
                <FailureList run={run} open={open} />
                <Troubles more={more} />
                <Warnings run={run} more={more} />
            </div>
            <div class="column side">
                <Running run={run} />
                <Slow run={run} open={open} />
                <About run={run} more={more} />
            </div>
        </div>
    );
}

interface Failed {
    n: number;
    nodeid: string;
    outcome: string;
    message: string;
    duration: number;
}

/** Those in the table, and those that the fast lane told before their rows came. The newest first while it runs. */
function failed(table: TestTable, fresh: FreshFailure[], running: boolean): (number | FreshFailure)[] {
    const found: (number | FreshFailure)[] = [];
    const bad = table.outcome.words.map(isBad);
    const { data } = table.outcome.ids;
    for (let n = 0; n < table.count; n++) if (bad[data[n]!]) found.push(n);
    for (const failure of fresh) if (failure.n >= table.count) found.push(failure);
    return running ? found.reverse() : found;
}

function described(table: TestTable, failure: number | FreshFailure): Failed {
    if (typeof failure !== "number")
        return { ...failure, nodeid: legible(failure.nodeid), message: legible(failure.message || failure.type) };
    return {
        n: failure,
        nodeid: table.nodeid(failure),
        outcome: table.outcome.at(failure),
        message: shortMessage(table, failure),
        duration: table.duration.at(failure),
    };
}

function FailureList({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    const fresh = store.failures.value[run.id];
    const version = open.version.value;
    const running = run.state === "running";
    const found = useMemo(() => failed(open.table, fresh ?? [], running), [open.table, version, fresh, running]);
    const itself = useMemo(() => problems(open.more.value), [open.more.value]);
    const number = found.length + itself.length;
    const shown = found.slice(0, useLater() ? MOST : FIRST).map((failure) => described(open.table, failure));
    return (
        <section aria-label="Failures">
            <h2>Failures {number > 0 && <small>{number}</small>}</h2>
            {number === 0 && (
                <Empty title={running ? "Nothing has failed so far" : run.tests > 0 ? "Nothing failed" : "No tests"} />
            )}
            <Problems found={itself} />
            {found.length > 0 && (
                <ul class="failure-list">
                    {shown.map((failure) => (
                        <li key={failure.n}>
                            <a
                                href={link({
                                    run: run.id,
                                    view: "tests",
                                    q: "outcome:failed,error,crashed,interrupted",
                                    test: String(failure.n),
                                })}
                            >
                                <Sign outcome={failure.outcome} />
                                <span class="failure-text">
                                    <span class="nodeid">{failure.nodeid}</span>
                                    <span class="dim">{failure.message}</span>
                                </span>
                                <span class="dim">{duration(failure.duration)}</span>
                            </a>
                        </li>
                    ))}
                </ul>
            )}
            {found.length > MOST && (
                <p>
                    <a href={link({ run: run.id, view: "failures" })}>All {tests(found.length)}, by cause</a>
                </p>
            )}
        </section>
    );
}

/** What the run itself tells: why it was stopped, data that are missing. */
function Troubles({ more }: { more: RunMore | undefined }) {
    const events = more ? otherEvents(more) : [];
    return events.length === 0 ? null : (
        <section aria-label="The run itself">
            <h2>The run itself</h2>
            {events.map((event, i) => (
                <EventText key={i} event={event} />
            ))}
        </section>
    );
}

function Warnings({ run, more }: { run: Run; more: RunMore | undefined }) {
    if (!more?.warned?.length) return null;
    return (
        <section aria-label="Warnings">
            <h2>
                Warnings <small>{run.warnings || more.warned.reduce((sum, { count }) => sum + count, 0)}</small>
            </h2>
            <ul class="failure-list">
                {more.warned.map(({ category, message, place, count, test }, i) => {
                    const said = (
                        <>
                            <span class="failure-text">
                                <span>
                                    {category}: {legible(message)}
                                </span>
                                <span class="nodeid dim">{place}</span>
                            </span>
                            <span class="dim">{count > 1 && `×${count}`}</span>
                        </>
                    );
                    const href = link({ run: run.id, view: "tests", test: String(test) });
                    return <li key={i}>{test < 0 ? <div>{said}</div> : <a href={href}>{said}</a>}</li>;
                })}
            </ul>
        </section>
    );
}

function EventText({ event }: { event: SpanEvent }) {
    if (event.name !== "exception")
        return (
            <div class="event">
                <h3>{event.name}</h3>
                <AttributeList attributes={event.attributes} />
            </div>
        );
    const said = (key: string) => text(event.attributes[`exception.${key}`] ?? "");
    return (
        <div class="event">
            <h3>{said("type")}</h3>
            <Traceback text={said("stacktrace") || said("message")} />
        </div>
    );
}

function Running({ run }: { run: Run }) {
    const now = useStore().now.value;
    if (run.running.length === 0) return null;
    const over = run.state !== "running";
    return (
        <section aria-label="Running now">
            <h2>
                {over ? "Never ended" : "Running now"} <small>{run.running.length}</small>
            </h2>
            <ul class="running">
                {run.running.slice(0, 20).map((test) => (
                    <li key={`${test.worker} ${test.nodeid}`}>
                        <span class="nodeid">{legible(test.nodeid)}</span>
                        <span class="dim">
                            {test.worker} {!over && duration(Math.max(0, now + run.skew - test.start))}
                        </span>
                    </li>
                ))}
            </ul>
        </section>
    );
}

function Slow({ run, open }: { run: Run; open: OpenRun }) {
    const version = open.version.value;
    const { table } = open;
    const rows = useMemo(() => [...slowestTests(table, 5)], [version, table]);
    if (rows.length === 0) return null;
    return (
        <section aria-label="Slowest tests">
            <h2>
                Slowest{" "}
                <a class="more" href={link({ run: run.id, view: "slowest" })}>
                    all
                </a>
            </h2>
            <ul class="slow">
                {rows.map((n) => (
                    <li key={n}>
                        <a href={link({ run: run.id, view: "tests", sort: "-duration", test: String(n) })}>
                            <span class="nodeid">{table.name[n] || table.file.at(n)}</span>
                            <Duration micros={table.duration.at(n)} of={table.duration.at(rows[0]!)} />
                        </a>
                    </li>
                ))}
            </ul>
        </section>
    );
}

function About({ run, more }: { run: Run; more: RunMore | undefined }) {
    const trace = run.traces[0] ?? "";
    return (
        <section aria-label="About the run">
            <h2>About</h2>
            <Facts
                items={
                    [
                        ["host", run.host],
                        ["Python", run.python],
                        ["pytest", run.pytest],
                        ["exit code", run.exitCode === null ? "" : String(run.exitCode)],
                        ["error", run.error],
                        ["branch", run.branch],
                        ["commit", run.commit && <span class="mono">{run.commit}</span>],
                        ["change", run.change],
                        ["repository", run.repository && <Outside url={run.repository}>{run.repository}</Outside>],
                        ["CI", run.url && <Outside url={run.url}>{run.url}</Outside>],
                        ["warnings", run.warnings > 0 && String(run.warnings)],
                        ["spans", `${run.spans}${run.appSpans > 0 ? `, ${run.appSpans} of the application` : ""}`],
                        ["log records", run.logs > 0 && String(run.logs)],
                        [
                            "clock",
                            run.skew !== 0 && `${duration(Math.abs(run.skew))} ${run.skew > 0 ? "ahead" : "behind"}`,
                        ],
                        [
                            "trace",
                            trace && (
                                <TraceLink trace={trace} run={run.id} otherwise={<span class="mono">{trace}</span>}>
                                    {trace}
                                </TraceLink>
                            ),
                        ],
                        ["run id", <span class="mono">{run.id}</span>],
                    ].filter(([, value]) => value !== undefined) as [string, string][]
                }
            />
            {more && Object.keys(more.resource).length > 0 && (
                <details>
                    <summary>Resource</summary>
                    <AttributeList attributes={more.resource} />
                </details>
            )}
            {more && Object.keys(more.attributes).length > 0 && (
                <details>
                    <summary>Attributes</summary>
                    <AttributeList attributes={more.attributes} />
                </details>
            )}
        </section>
    );
}
