import { useMemo } from "preact/hooks";
import { legible } from "../model/legible";
import type { TestTable } from "../model/tests";
import type { Run, Unstable } from "../protocol";
import { link, type OpenRun } from "../state";
import { Empty, Loading, Sign, tone, Trouble } from "./bits";
import { useAsked, useStore } from "./context";
import { Table } from "./slowest";

/** Tests that pass at one time and fail at another: within this run by retries, and from run to run. */
export function Flaky({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    const version = open.version.value;
    const { table } = open;
    const flaky = useMemo(() => flakyRows(table), [version, table]);
    return (
        <div class="page">
            <section>
                <h2>In this run</h2>
                {flaky.length === 0 ? (
                    <Empty title="No test passed after it had failed" />
                ) : (
                    <ByRetries run={run} table={table} rows={flaky} />
                )}
            </section>
            {import.meta.env.MODE !== "report" && store.info.value?.history && (
                <section>
                    <h2>In the last runs</h2>
                    <ByHistory run={run} table={table} />
                </section>
            )}
        </div>
    );
}

function flakyRows(table: TestTable): number[] {
    const rows: number[] = [];
    for (let n = 0; n < table.count; n++) if (table.flaky.at(n) === 1) rows.push(n);
    return rows;
}

const shown = (run: Run, nodeid: string): string => link({ run: run.id, view: "tests", q: `"${nodeid}"` });

function ByRetries({ run, table, rows }: { run: Run; table: TestTable; rows: number[] }) {
    return (
        <Table head={["Test", "Attempts", "Failed with"]} caption="Passed after a failure">
            {rows.slice(0, 200).map((n) => {
                const attempts = table.attempts(n);
                const first = attempts[0]!;
                return (
                    <tr key={n}>
                        <td class="main">
                            <a href={link({ run: run.id, view: "tests", q: "is:flaky", test: String(n) })}>
                                {table.nodeid(n)}
                            </a>
                        </td>
                        <td>
                            <span class="signs">
                                {attempts.map((row) => (
                                    <Sign key={row} outcome={table.outcome.at(row)} />
                                ))}
                            </span>
                        </td>
                        <td class="dim">
                            {table.type.at(first)} {table.message.at(first)}
                        </td>
                    </tr>
                );
            })}
        </Table>
    );
}

function ByHistory({ run, table }: { run: Run; table: TestTable }) {
    const store = useStore();
    const { value, error } = useAsked(() => store.source.unstable(run.id), [run.id, run.state]);
    const rows = useMemo(
        () => new Map(Array.from({ length: table.count }, (_, n) => [table.toldNodeid(n), n])),
        [table, table.count],
    );
    if (error) return <Trouble text={error} />;
    if (!value) return <Loading />;
    if (value.length === 0) return <Empty title="Every test had the same outcome in the last runs of this service" />;
    return (
        <Table head={["Test", "Runs, oldest first", "Changed"]} caption="Outcomes that differ from run to run">
            {value.slice(0, 200).map((test) => (
                <tr key={test.nodeid}>
                    <td class="main">
                        <Named run={run} test={test} n={rows.get(test.nodeid)} />
                    </td>
                    <td>
                        <Strip outcomes={test.outcomes} />
                    </td>
                    <td>{test.changes} ×</td>
                </tr>
            ))}
        </Table>
    );
}

function Named({ run, test, n }: { run: Run; test: Unstable; n: number | undefined }) {
    const name = legible(test.nodeid);
    return n === undefined ? <>{name}</> : <a href={`${shown(run, name)}&test=${n}`}>{name}</a>;
}

function Strip({ outcomes }: { outcomes: string[] }) {
    return (
        <span class="strip" role="img" aria-label={outcomes.join(", ")}>
            {[...outcomes].reverse().map((outcome, i) => (
                <i key={i} class={tone(outcome)} title={outcome} />
            ))}
        </span>
    );
}
