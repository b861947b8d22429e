import { useMemo } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { slowestFiles, slowestFixtures, slowestTests, type SlowFixture } from "../model/slowest";
import type { Run } from "../protocol";
import { address, go, link, type OpenRun } from "../state";
import { Choice, count, Duration, Empty, Loading, Sign, Trouble } from "./bits";
import { useAsked, useStore } from "./context";

const MOST = 200;
type By = "tests" | "files" | "fixtures";

/** Where the time went. */
export function Slowest({ run, open }: { run: Run; open: OpenRun }) {
    const by = (address.value.by ?? "tests") as By;
    return (
        <div class="page">
            <Choice<By>
                label="Slowest"
                value={by}
                onChange={(value) => go({ by: value }, { replace: true })}
                options={[
                    { value: "tests", text: "Tests" },
                    { value: "files", text: "Files" },
                    { value: "fixtures", text: "Fixtures" },
                ]}
            />
            {by === "tests" ? (
                <SlowTests run={run} open={open} />
            ) : by === "files" ? (
                <SlowFiles run={run} open={open} />
            ) : (
                <SlowFixtures run={run} open={open} />
            )}
        </div>
    );
}

const toTest = (run: Run, n: number): string =>
    link({ run: run.id, view: "tests", sort: "-duration", test: String(n) });

function SlowTests({ run, open }: { run: Run; open: OpenRun }) {
    const version = open.version.value;
    const { table } = open;
    const rows = useMemo(() => slowestTests(table, MOST), [version, table]);
    if (rows.length === 0) return <Empty title="No test has finished yet" />;
    const longest = table.duration.at(rows[0]!);
    return (
        <Table
            head={["", "Test", "Setup", "Call", "Teardown", "Took"]}
            caption={table.count > MOST ? `The ${MOST} slowest of ${count(table.count)} tests` : "Tests"}
        >
            {[...rows].map((n) => (
                <tr key={n}>
                    <td>
                        <Sign outcome={table.outcome.at(n)} />
                    </td>
                    <td class="main">
                        <a href={toTest(run, n)}>{table.nodeid(n)}</a>
                    </td>
                    <Times values={[table.setup.at(n), table.call.at(n), table.teardown.at(n)]} />
                    <td class="right">
                        <Duration micros={table.duration.at(n)} of={longest} />
                    </td>
                </tr>
            ))}
        </Table>
    );
}

function SlowFiles({ run, open }: { run: Run; open: OpenRun }) {
    const version = open.version.value;
    const { table } = open;
    const files = useMemo(() => slowestFiles(table), [version, table]);
    if (files.length === 0) return <Empty title="No test has finished yet" />;
    return (
        <Table
            head={["", "File", "Tests", "Mean", "Longest test", "In all"]}
            caption="Files by the time that their tests took in all"
        >
            {files.slice(0, MOST).map((file) => (
                <tr key={file.file}>
                    <td>
                        <Sign outcome={file.bad ? "failed" : "passed"} />
                    </td>
                    <td class="main">
                        <a
                            href={link({
                                run: run.id,
                                view: "tests",
                                q: `file:${/\s/.test(file.file) ? `"${file.file}"` : file.file}`,
                            })}
                        >
                            {file.file}
                        </a>
                    </td>
                    <td class="right">{count(file.tests)}</td>
                    <Times values={[file.total / file.tests]} />
                    <td class="right">
                        <a href={toTest(run, file.longestTest)}>
                            <Duration micros={file.longest} />
                        </a>
                    </td>
                    <td class="right">
                        <Duration micros={file.total} of={files[0]!.total} />
                    </td>
                </tr>
            ))}
        </Table>
    );
}

function SlowFixtures({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    // Once a run has ended its fixtures are all known; until then they are asked for as tests come, in steps.
    const about = run.state === "running" ? Math.floor(open.table.count / 200) : run.state;
    void open.version.value;
    const { value, error } = useAsked(
        async () => slowestFixtures(await store.source.fixtures(run.id)),
        [run.id, about],
    );
    if (error) return <Trouble text={error} />;
    if (!value) return <Loading />;
    if (value.length === 0)
        return (
            <Empty title="No fixture took long">
                <p>
                    Fixtures of 1 ms and more are told, all of them with <code>--otel-detail=fixtures</code>.
                </p>
            </Empty>
        );
    const longest = Math.max(...value.map(inAll));
    return (
        <Table
            head={["Fixture", "Scope", "Set up", "Setup", "Longest", "Teardown", "In all"]}
            caption="Fixtures by the time that they took in all. Without --otel-detail=fixtures only those are sent, and counted, that took 1 ms or more"
        >
            {value.slice(0, MOST).map((fixture, i) => (
                <tr key={i}>
                    <td class="main">
                        <b>{fixture.name}</b> <span class="dim">{fixture.place}</span>
                    </td>
                    <td>{fixture.scope}</td>
                    <td class="right">{count(fixture.setups)} ×</td>
                    <Times values={[fixture.setup]} />
                    <td class="right">
                        <a href={toTest(run, fixture.longestTest)}>
                            <Duration micros={fixture.longest} />
                        </a>
                    </td>
                    <Times values={[fixture.teardown]} />
                    <td class="right">
                        <Duration micros={inAll(fixture)} of={longest} />
                    </td>
                </tr>
            ))}
        </Table>
    );
}

const inAll = (fixture: SlowFixture): number => fixture.setup + fixture.teardown;

function Times({ values }: { values: number[] }) {
    return (
        <>
            {values.map((value, i) => (
                <td key={i} class="right dim">
                    {value > 0 && <Duration micros={value} />}
                </td>
            ))}
        </>
    );
}

/** A table whose text is left and whose numbers are right; the wide one is the name. */
export function Table({ head, caption, children }: { head: string[]; caption: string; children: ComponentChildren }) {
    const numeric =
        /^(Setup|Call|Teardown|Took|Tests|Mean|Longest|Longest test|In all|Set up|Before|After|Change|Spans|Errors)$/;
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label={caption}>
            <table class="plain">
                <caption>{caption}</caption>
                <thead>
                    <tr>
                        {head.map((name, i) =>
                            name === "" ? (
                                <td key={i} />
                            ) : (
                                <th key={i} scope="col" class={numeric.test(name) ? "right" : ""}>
                                    {name}
                                </th>
                            ),
                        )}
                    </tr>
                </thead>
                <tbody>{children}</tbody>
            </table>
        </div>
    );
}
