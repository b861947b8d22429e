import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { rerun } from "../model/command";
import { type Group, failureGroups, problemGroups } from "../model/groups";
import { type Problem, problems } from "../model/problems";
import type { TestTable } from "../model/tests";
import type { Run } from "../protocol";
import { link, type OpenRun } from "../state";
import { Copy, Empty, Sign, tests } from "./bits";
import { Traceback } from "./traceback";

const MOST = 30;
/** Tracebacks that are open at first. */
const OPEN = 3;

/** Failures by what caused them: one change often breaks a hundred tests. Those of the run itself come first. */
export function Failures({ run, open }: { run: Run; open: OpenRun }) {
    const version = open.version.value;
    const { table } = open;
    const more = open.more.value;
    const itself = useMemo(() => problemGroups(problems(more)), [more]);
    const groups = useMemo(() => failureGroups(table), [version, table]);
    if (groups.length + itself.length === 0)
        return <Empty title={run.state === "running" ? "Nothing has failed so far" : "Nothing failed"} />;
    return (
        <div class="page">
            {itself.map((group) => (
                <Cause key={group.key} group={group} open>
                    <Problems found={group.rows} />
                </Cause>
            ))}
            {groups.slice(0, 200).map((group, i) => (
                <Cause key={group.key} group={group} open={i < 5}>
                    <Rows run={run} table={table} group={group} />
                </Cause>
            ))}
        </div>
    );
}

function Cause({
    group: { type, message, place, rows },
    open,
    children,
}: {
    group: Group<unknown>;
    open: boolean;
    children: ComponentChildren;
}) {
    return (
        <details class="cause" open={open}>
            <summary>
                <span class="cause-count">{rows.length}</span>
                <span class="cause-text">
                    <b>{type}</b>
                    <span>{message}</span>
                </span>
                <span class="dim mono">{place}</span>
            </summary>
            {children}
        </details>
    );
}

/** What failed without being a test, each with its traceback. */
export function Problems({ found }: { found: Problem[] }) {
    return found.length === 0 ? null : (
        <ul class="failure-list">
            {found.slice(0, MOST).map((problem, i) => (
                <li key={i}>
                    {problem.stacktrace === "" ? (
                        <div>
                            <Said problem={problem} />
                        </div>
                    ) : (
                        <details open={i < OPEN}>
                            <summary>
                                <Said problem={problem} />
                            </summary>
                            <Traceback text={problem.stacktrace} />
                        </details>
                    )}
                </li>
            ))}
            {found.length > MOST && <li class="dim">{found.length - MOST} more</li>}
        </ul>
    );
}

function Said({ problem: { name, type, message } }: { problem: Problem }) {
    return (
        <>
            <Sign outcome="error" />
            <span class="failure-text">
                <span class="nodeid">{name}</span>
                <span class="dim">{[type, message].filter(Boolean).join(": ")}</span>
            </span>
        </>
    );
}

function Rows({ run, table, group }: { run: Run; table: TestTable; group: Group }) {
    const all = link({
        run: run.id,
        view: "tests",
        q: group.place ? `place:"${group.place}" outcome:failed,error,crashed,interrupted` : `type:"${group.type}"`,
    });
    return (
        <>
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
        </>
    );
}
