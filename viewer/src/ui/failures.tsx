import { useMemo } from "preact/hooks";
import { rerun } from "../model/command";
import { type Group, failureGroups } from "../model/groups";
import type { TestTable } from "../model/tests";
import type { Run } from "../protocol";
import { link, type OpenRun } from "../state";
import { Copy, Empty, Sign, tests } from "./bits";

const MOST = 30;

/** Failures by what caused them: one change often breaks a hundred tests. */
export function Failures({ run, open }: { run: Run; open: OpenRun }) {
    const version = open.version.value;
    const { table } = open;
    const groups = useMemo(() => failureGroups(table), [version, table]);
    if (groups.length === 0)
        return <Empty title={run.state === "running" ? "Nothing has failed so far" : "Nothing failed"} />;
    return (
        <div class="page">
            {groups.slice(0, 200).map((group, i) => (
                <Cause key={group.key} run={run} table={table} group={group} open={i < 5} />
            ))}
        </div>
    );
}

function Cause({ run, table, group, open }: { run: Run; table: TestTable; group: Group; open: boolean }) {
    const all = link({
        run: run.id,
        view: "tests",
        q: group.place ? `place:"${group.place}" outcome:failed,error,crashed,interrupted` : `type:"${group.type}"`,
    });
    return (
        <details class="cause" open={open}>
            <summary>
                <span class="cause-count">{group.rows.length}</span>
                <span class="cause-text">
                    <b>{group.type}</b>
                    <span>{group.message}</span>
                </span>
                <span class="dim mono">{group.place}</span>
            </summary>
            <ul>
                {group.rows.slice(0, MOST).map((n) => (
                    <li key={n}>
                        <a
                            href={link({
                                run: run.id,
                                view: "tests",
                                q: "outcome:failed,error,crashed,interrupted",
                                test: String(n),
                            })}
                        >
                            <Sign outcome={table.outcome.at(n)} />
                            <span class="dim">{table.phase.at(n) !== "call" && table.phase.at(n)}</span>
                            {table.nodeid(n)}
                        </a>
                    </li>
                ))}
            </ul>
            <p class="actions">
                {group.rows.length > MOST && <a href={all}>all {tests(group.rows.length)}</a>}
                <Copy text={() => rerun(table, group.rows)}>Copy pytest command</Copy>
            </p>
        </details>
    );
}
