import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { rerun } from "../model/command";
import { duration, moment } from "../model/format";
import { legible } from "../model/legible";
import { exceptions, type SpanTree, traceOf, treeOfTest } from "../model/spans";
import type { TestTable } from "../model/tests";
import type { Attributes, Details, Past, Run } from "../protocol";
import { address, go, link, type OpenRun } from "../state";
import { Copy, Facts, Loading, Outcome, Sign, tone, TraceLink, Trouble } from "./bits";
import { useAsked, useLater, useStore } from "./context";
import { Traceback } from "./traceback";
import { AttributeList, text, TreeLogs, Waterfall } from "./waterfall";

interface Props {
    run: Run;
    open: OpenRun;
    n: number;
    onClose: () => void;
    onStep: ((by: number) => void) | undefined;
}

/** The row that the address names; -1 where it names none that is there. */
export function chosenRow(table: TestTable): number {
    const n = Number(address.value.test ?? -1);
    return n >= 0 && n < table.count ? n : -1;
}

/** A list or a chart, and beside it the test that is chosen there. */
export function Split({
    run,
    open,
    n,
    onStep,
    scrolls = false,
    children,
}: {
    run: Run;
    open: OpenRun;
    n: number;
    onStep?: (by: number) => void;
    scrolls?: boolean;
    children: ComponentChildren;
}) {
    const shown = n >= 0;
    return (
        <div class={`split ${shown ? "two" : ""}`}>
            <div class={scrolls ? "list scroll-y" : "list"}>{children}</div>
            {shown && (
                <Detail
                    run={run}
                    open={open}
                    n={n}
                    onClose={() => go({ test: undefined, span: undefined })}
                    onStep={onStep}
                />
            )}
        </div>
    );
}

/** All about one attempt of a test. */
function Detail({ run, open, n, onClose, onStep }: Props) {
    const store = useStore();
    const { table } = open;
    const grown = store.grown.value;
    const late = grown.run === run.id && grown.tests.includes(n) ? grown : undefined;
    const asked = useAsked(() => store.detail(run.id, n), [run.id, n, late], store.early(run.id, n));
    const details = asked.value?.tests.includes(n) ? asked.value : undefined;
    const tree = useMemo(() => details && treeOfTest(details, n, table.name[n] || table.file.at(n)), [details, n]);
    const top = useRef<HTMLElement>(null);
    useEffect(() => top.current?.scrollTo(0, 0), [n]);
    return (
        <section ref={top} class="detail" aria-label={`Test ${table.nodeid(n)}`}>
            <Head
                run={run}
                table={table}
                n={n}
                trace={details ? traceOf(details, n) : ""}
                onClose={onClose}
                onStep={onStep}
            />
            <Trouble text={asked.error} />
            {!asked.error && !tree && <Loading />}
            {tree && <Body run={run} table={table} n={n} tree={tree} details={details!} />}
            {import.meta.env.MODE !== "report" && (tree || asked.error) && store.info.value?.history && (
                <History key={n} run={run} nodeid={table.toldNodeid(n)} n={n} />
            )}
        </section>
    );
}

function Head({
    run,
    table,
    n,
    trace,
    onClose,
    onStep,
}: {
    run: Run;
    table: TestTable;
    n: number;
    trace: string;
    onClose: () => void;
    onStep: ((by: number) => void) | undefined;
}) {
    const line = table.line.at(n);
    return (
        <header class="detail-head">
            <div class="detail-bar">
                <Outcome outcome={table.outcome.at(n)} />
                {table.flaky.at(n) === 1 && <span class="badge o-rerun">flaky</span>}
                <span class="grow" />
                {onStep && (
                    <>
                        <button
                            type="button"
                            class="button icon"
                            title="The test before (k)"
                            aria-label="The test before"
                            onClick={() => onStep(-1)}
                        >
                            ↑
                        </button>
                        <button
                            type="button"
                            class="button icon"
                            title="The next test (j)"
                            aria-label="The next test"
                            onClick={() => onStep(1)}
                        >
                            ↓
                        </button>
                    </>
                )}
                <button type="button" class="button icon" title="Close (Esc)" aria-label="Close" onClick={onClose}>
                    ✕
                </button>
            </div>
            <h2>
                <span class="detail-file">
                    {table.file.at(n)}
                    {line > 0 && `:${line}`}
                </span>
                {table.name[n] || table.file.at(n)}
            </h2>
            <Facts
                items={[
                    [
                        "took",
                        <span title="Setup, call and teardown as pytest counts them; the span below holds what lies between them too">
                            {duration(table.duration.at(n))}
                        </span>,
                    ],
                    ["setup", table.setup.at(n) > 0 && duration(table.setup.at(n))],
                    ["call", table.call.at(n) > 0 && duration(table.call.at(n))],
                    ["teardown", table.teardown.at(n) > 0 && duration(table.teardown.at(n))],
                    ["worker", table.worker.at(n)],
                    ["attempt", table.attempt.at(n) > 1 && table.attempt.at(n)],
                    [
                        "began",
                        <span title={moment(run.start + table.start.at(n))}>at {duration(table.start.at(n))}</span>,
                    ],
                    [
                        "markers",
                        table.markers.at(n) && (
                            <span class="tags">
                                {table.markers
                                    .at(n)
                                    .split(",")
                                    .map((marker) => (
                                        <i key={marker}>{marker}</i>
                                    ))}
                            </span>
                        ),
                    ],
                ]}
            />
            <AttemptLinks table={table} n={n} />
            <div class="actions">
                <Copy text={() => rerun(table, [n])} title="The command that runs this test again">
                    Copy pytest command
                </Copy>
                <Copy text={() => table.toldNodeid(n)}>Copy node id</Copy>
                <TraceLink trace={trace} run={run.id}>
                    Open trace
                </TraceLink>
            </div>
        </header>
    );
}

/** The way from one attempt to the others. */
function AttemptLinks({ table, n }: { table: TestTable; n: number }) {
    const attempts = useMemo(() => table.attempts(n), [table, table.count, n]);
    if (attempts.length < 2) return null;
    return (
        <nav class="attempt-links" aria-label="Attempts">
            {attempts.map((row) => (
                <a
                    key={row}
                    class={`chip ${tone(table.outcome.at(row))}`}
                    aria-current={row === n ? "true" : undefined}
                    href={link({ ...address.value, test: String(row), span: undefined })}
                >
                    <Sign outcome={table.outcome.at(row)} />
                    attempt {table.attempt.at(row)}
                </a>
            ))}
        </nav>
    );
}

const OUTPUTS = ["stdout", "stderr", "log"];

function Body({
    run,
    table,
    n,
    tree,
    details,
}: {
    run: Run;
    table: TestTable;
    n: number;
    tree: SpanTree;
    details: Details;
}) {
    const store = useStore();
    const attributes = tree.more[0]?.attributes ?? {};
    const attempts = useMemo(() => details.attempts ?? table.attempts(n), [details, n]);
    const chosen = Math.max(-1, Number(address.value.span ?? -1));
    const choose = (span: number) => go({ span: String(span) }, { replace: true });
    return (
        <>
            {typeof attributes["pytest.description"] === "string" && (
                <p class="description">{text(attributes["pytest.description"])}</p>
            )}
            {attributes["pytest.reason"] && <p class="reason">{text(attributes["pytest.reason"])}</p>}
            <Failures tree={tree} table={table} n={n} />
            {OUTPUTS.map((name) => (
                <Output key={name} name={name} value={attributes[`pytest.${name}`]} />
            ))}
            <section>
                <h3>
                    Spans <small>{tree.count}</small>
                </h3>
                <Waterfall
                    tree={tree}
                    chosen={chosen}
                    onChoose={choose}
                    fetchMore={(span) => store.source.span(run.id, n, span, tree.id[span]!)}
                />
            </section>
            {attempts.length > 1 && <Attempts table={table} attempts={attempts} n={n} />}
            <TreeLogs tree={tree} onSpan={choose} />
            <Named title="Parameters" attributes={attributes} prefix="pytest.parameters." />
            <Named title="Properties" attributes={attributes} prefix="pytest.property." />
            <Others attributes={attributes} />
        </>
    );
}

function Failures({ tree, table, n }: { tree: SpanTree; table: TestTable; n: number }) {
    const found = exceptions(tree);
    if (found.length === 0)
        return table.message.at(n) && table.type.at(n) ? (
            <section>
                <h3>{table.type.at(n)}</h3>
                <pre class="message">{table.message.at(n)}</pre>
            </section>
        ) : null;
    return (
        <>
            {found.map((exception, i) => (
                <section key={i} class="failure">
                    <h3>
                        <span class="exception">{exception.type || "Failure"}</span>
                        {exception.span > 0 && <small>in {tree.name[exception.span]}</small>}
                        <span class="grow" />
                        <Copy text={() => exception.stacktrace || exception.message}>Copy</Copy>
                    </h3>
                    {exception.stacktrace ? (
                        <Traceback text={exception.stacktrace} />
                    ) : (
                        <pre class="message">{exception.message}</pre>
                    )}
                </section>
            ))}
        </>
    );
}

function Output({ name, value }: { name: string; value: unknown }) {
    if (typeof value !== "string" || value === "") return null;
    const shown = legible(value);
    return (
        <section>
            <h3>
                Captured {name}
                <span class="grow" />
                <Copy text={() => shown}>Copy</Copy>
            </h3>
            <pre class="output" tabIndex={0} role="region" aria-label={`Captured ${name}`}>
                {shown}
            </pre>
        </section>
    );
}

function Named({ title, attributes, prefix }: { title: string; attributes: Attributes; prefix: string }) {
    const found = Object.fromEntries(
        Object.entries(attributes)
            .filter(([key]) => key.startsWith(prefix))
            .map(([key, value]) => [key.slice(prefix.length), value]),
    );
    return Object.keys(found).length === 0 ? null : (
        <section>
            <h3>{title}</h3>
            <AttributeList attributes={found} />
        </section>
    );
}

const SHOWN = /^pytest\.(parameters\.|property\.|description$|reason$|stdout$|stderr$|log$)/;

function Others({ attributes }: { attributes: Attributes }) {
    const found = Object.fromEntries(Object.entries(attributes).filter(([key]) => !SHOWN.test(key)));
    return Object.keys(found).length === 0 ? null : (
        <section>
            <h3>Attributes</h3>
            <AttributeList attributes={found} />
        </section>
    );
}

/** A test's attempts side by side. */
function Attempts({ table, attempts, n }: { table: TestTable; attempts: number[]; n: number }) {
    const lines: [string, (row: number) => string][] = [
        ["took", (row) => duration(table.duration.at(row))],
        ["setup", (row) => duration(table.setup.at(row))],
        ["call", (row) => duration(table.call.at(row))],
        ["teardown", (row) => duration(table.teardown.at(row))],
        ["worker", (row) => table.worker.at(row)],
        ["began", (row) => `at ${duration(table.start.at(row))}`],
        ["error", (row) => table.type.at(row)],
        ["message", (row) => table.message.at(row)],
        ["place", (row) => table.place.at(row)],
    ];
    return (
        <section>
            <h3>
                Attempts <small>{attempts.length}</small>
            </h3>
            <div class="scroll" tabIndex={0} role="region" aria-label="Attempts side by side">
                <table class="attempts">
                    <thead>
                        <tr>
                            <th scope="col">Attempt</th>
                            {attempts.map((row) => (
                                <th key={row} scope="col" aria-current={row === n ? "true" : undefined}>
                                    <Sign outcome={table.outcome.at(row)} /> {table.attempt.at(row)}:{" "}
                                    {table.outcome.at(row)}
                                </th>
                            ))}
                        </tr>
                    </thead>
                    <tbody>
                        {lines
                            .filter(([, value]) => attempts.some((row) => value(row) !== ""))
                            .map(([name, value]) => (
                                <tr key={name}>
                                    <th scope="row">{name}</th>
                                    {attempts.map((row) => (
                                        <td key={row}>{value(row)}</td>
                                    ))}
                                </tr>
                            ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

/** What became of the test in the runs before. */
function History({ run, nodeid, n }: { run: Run; nodeid: string; n: number }) {
    const store = useStore();
    // Asked for when the test has been painted.
    const later = useLater();
    const ask = async () => (later ? store.source.history(run.id, nodeid) : []);
    const { value, error } = useAsked(ask, [later, run.state]);
    if (error) return <Trouble text={error} />;
    if (!value || value.length < 2) return null;
    const longest = Math.max(...value.map((past) => past.duration), 1);
    const bad = value.filter(
        (past) => past.outcome !== "passed" && past.outcome !== "skipped" && past.outcome !== "xfailed",
    ).length;
    return (
        <section class="history">
            <h3>
                History{" "}
                <small>
                    {value.length} runs, {bad} bad
                </small>
            </h3>
            <ol>
                {[...value].reverse().map((past) => (
                    <Before
                        key={`${past.run} ${past.n}`}
                        past={past}
                        height={past.duration / longest}
                        here={past.run === run.id && past.n === n}
                    />
                ))}
            </ol>
        </section>
    );
}

function Before({ past, height, here }: { past: Past; height: number; here: boolean }) {
    const title = `${past.outcome}, ${duration(past.duration)}, ${moment(past.start)}${past.branch && `, ${past.branch}`}${past.commit && ` ${past.commit.slice(0, 8)}`}${past.attempts > 1 ? `, ${past.attempts} attempts` : ""}`;
    return (
        <li>
            <a
                href={link({ run: past.run, view: "tests", test: String(past.n) })}
                title={title}
                aria-label={title}
                aria-current={here ? "true" : undefined}
            >
                <i class={tone(past.outcome)} style={{ height: `${Math.max(6, height * 44)}px` }} />
            </a>
        </li>
    );
}
