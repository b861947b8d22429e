import { useMemo, useState } from "preact/hooks";
import { compare, KINDS, type Kind, type Pair } from "../model/compare";
import { change, duration, moment } from "../model/format";
import type { TestTable } from "../model/tests";
import type { Run } from "../protocol";
import { address, go, link, type OpenRun } from "../state";
import { Choice, count, Empty, Loading, Sign, Trouble } from "./bits";
import { useStore } from "./context";
import { Rows, type RowProps } from "./rows";

const TITLES: Record<Kind, string> = {
    broken: "New failures",
    fixed: "Fixed",
    still: "Still failing",
    slower: "Slower",
    faster: "Faster",
    added: "Added",
    gone: "Gone",
};

const label = (run: Run): string =>
    [moment(run.start), run.branch, run.commit.slice(0, 8), run.service].filter(Boolean).join(" · ");

/** What changed since another run. */
export function Compare({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    const others = store.runs.value.filter((other) => other.id !== run.id);
    const other =
        others.find((candidate) => candidate.id === address.value.with) ??
        others.find((candidate) => candidate.service === run.service && candidate.start < run.start);
    if (others.length === 0)
        return (
            <Empty title="There is no other run to compare with">
                <p>Run the tests once more, and this says what changed.</p>
            </Empty>
        );
    return (
        <div class="fill">
            <div class="filter">
                <label class="compare-with">
                    Compared with{" "}
                    <select value={other?.id ?? ""} onChange={(event) => go({ with: event.currentTarget.value })}>
                        {!other && <option value="">choose a run</option>}
                        {others.map((candidate) => (
                            <option key={candidate.id} value={candidate.id}>
                                {label(candidate)}
                            </option>
                        ))}
                    </select>
                </label>
            </div>
            {other ? (
                <Compared run={run} open={open} other={other} />
            ) : (
                <Empty title={`There is no earlier run of ${run.service || run.name} yet`}>
                    <p>Another run can be chosen above.</p>
                </Empty>
            )}
        </div>
    );
}

function Compared({ run, open, other }: { run: Run; open: OpenRun; other: Run }) {
    const before = useStore().tests(other.id);
    const versions = [open.version.value, before.version.value];
    const found = useMemo(() => compare(before.table, open.table), [before.table, open.table, ...versions]);
    if (before.error.value) return <Trouble text={before.error.value} />;
    if (!before.loaded.value || !open.loaded.value) return <Loading />;
    const kind =
        KINDS.find((key) => key === address.value.kind) ?? KINDS.find((key) => found[key].length > 0) ?? "broken";
    return (
        <>
            <div class="filter">
                <Choice<Kind>
                    label="What changed"
                    value={kind}
                    onChange={(value) => go({ kind: value }, { replace: true })}
                    options={KINDS.map((key) => ({
                        value: key,
                        text: (
                            <>
                                {TITLES[key]} <small>{count(found[key].length)}</small>
                            </>
                        ),
                    }))}
                />
            </div>
            <Pairs
                key={kind}
                pairs={found[kind]}
                before={before.table}
                after={open.table}
                run={run}
                other={other}
                title={TITLES[kind]}
            />
        </>
    );
}

interface PairsProps {
    pairs: Pair[];
    before: TestTable;
    after: TestTable;
    run: Run;
    other: Run;
    title: string;
}

function Pairs({ pairs, before, after, run, other, title }: PairsProps) {
    const address = ({ before: old, after: n }: Pair) =>
        n >= 0
            ? link({ run: run.id, view: "tests", test: String(n) })
            : link({ run: other.id, view: "tests", test: String(old) });
    const [cursor, setCursor] = useState(-1);
    if (pairs.length === 0) return <Empty title="None" />;
    return (
        <Rows
            id="pair"
            label={title}
            class="pairs"
            count={pairs.length}
            height={30}
            headHeight={30}
            cursor={cursor}
            onCursor={setCursor}
            onOpen={(index) => (location.hash = address(pairs[index]!))}
            head={
                <div role="row" class="row-head" aria-rowindex={1}>
                    {["Test", "Before", "After", "Change"].map((name, i) => (
                        <span key={name} role="columnheader" class={i > 0 ? "right" : ""}>
                            {name}
                        </span>
                    ))}
                </div>
            }
            row={(index, slot, props) => (
                <PairRow key={slot} pair={pairs[index]!} before={before} after={after} props={props} />
            )}
        />
    );
}

function PairRow({ pair, before, after, props }: { pair: Pair; before: TestTable; after: TestTable; props: RowProps }) {
    const both = pair.before >= 0 && pair.after >= 0;
    return (
        <div {...props}>
            <span role="gridcell" class="ellipsis mono" title={pair.nodeid}>
                {pair.nodeid}
            </span>
            <Side table={before} n={pair.before} />
            <Side table={after} n={pair.after} />
            <span role="gridcell" class="right dim">
                {both && change(before.duration.at(pair.before), after.duration.at(pair.after))}
            </span>
        </div>
    );
}

function Side({ table, n }: { table: TestTable; n: number }) {
    return (
        <span role="gridcell" class="right">
            {n >= 0 ? (
                <>
                    <Sign outcome={table.outcome.at(n)} /> {duration(table.duration.at(n))}
                </>
            ) : (
                <span class="dim">not there</span>
            )}
        </span>
    );
}
