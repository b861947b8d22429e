import { useCallback, useEffect, useLayoutEffect, useMemo, useRef } from "preact/hooks";
import { rerun } from "../model/command";
import { duration } from "../model/format";
import { sortOf, type Sortable } from "../model/order";
import { strangers, toggled, valuesOf, withValues, type Key } from "../model/query";
import { Selection } from "../model/selection";
import { slowestTests } from "../model/slowest";
import { isBad, type TestTable } from "../model/tests";
import type { Run } from "../protocol";
import { address, go, type OpenRun } from "../state";
import { Copy, count, Empty, lineSize, ordered, Sign, tests as some, tone } from "./bits";
import { chosenRow, Split } from "./detail";
import { useStore } from "./context";
import { Rows, type RowProps } from "./rows";

const HEIGHT = 30;
/** ms without new rows until the filter is made ready for its first keystroke. */
const CALM = 150;

/** The rows that are shown, kept up while the run grows. */
export function useSelection(open: OpenRun, query: string, sort: string): Uint32Array {
    const held = useRef<Selection | undefined>(undefined);
    const { table } = open;
    // Reading it lets this run again when rows come.
    void open.version.value;
    const known = held.current;
    if (!known || known.table !== table || known.query !== query || known.sort !== sort)
        held.current = new Selection(table, query, sort);
    return held.current!.update();
}

export function Tests({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    const { q = "", sort = "", test } = address.value;
    const rows = useSelection(open, q, sort);
    const { table } = open;
    const n = chosenRow(table);
    const choose = async (index: number) => {
        const row = rows[index]!;
        const before = address.value;
        if (test === undefined) await store.expect(run.id, row);
        if (address.value === before) go({ test: String(row), span: undefined }, { replace: test !== undefined });
    };
    const step = (by: number) => {
        const next = rows[rows.indexOf(n) + by];
        if (next !== undefined) go({ test: String(next), span: undefined }, { replace: true });
    };
    const longest = useMemo(() => table.duration.at(slowestTests(table, 1)[0] ?? -1), [open.version.value, table]);
    const row = useCallback(
        (index: number, slot: number, props: RowProps) => (
            <TestRow
                key={slot}
                table={table}
                n={rows[index]!}
                longest={longest}
                props={{ ...props, onPointerDown: () => store.foresee(run.id, rows[index]!) }}
            />
        ),
        [table, rows, longest, run.id],
    );
    useEffect(() => {
        const ahead = () => {
            if (table.prepare()) timer = setTimeout(ahead);
            // Code that has run before runs several times as fast.
            else new Selection(table, "a", sort).update();
        };
        let timer = setTimeout(ahead, CALM);
        return () => clearTimeout(timer);
    }, [table, open.version.value]);
    return (
        <Split run={run} open={open} n={n} onStep={step}>
            <Filter run={run} table={table} rows={rows} />
            {rows.length === 0 ? (
                <Nothing run={run} table={table} />
            ) : (
                <Rows
                    id="test"
                    label="Tests"
                    class="tests"
                    count={rows.length}
                    height={HEIGHT}
                    headHeight={30}
                    cursor={n < 0 ? -1 : rows.indexOf(n)}
                    onCursor={choose}
                    head={<Head sort={sort} />}
                    row={row}
                />
            )}
        </Split>
    );
}

function Nothing({ run, table }: { run: Run; table: TestTable }) {
    if (table.count > 0)
        return (
            <Empty title="No test is like that">
                <button type="button" class="button" onClick={() => go({ q: undefined })}>
                    Show all {count(table.count)}
                </button>
            </Empty>
        );
    return <Empty title={run.state === "running" ? "No test has finished yet" : "This run has no tests"} />;
}

const COLUMNS: { key: Sortable; title: string; class?: string }[] = [
    { key: "outcome", title: "" },
    { key: "test", title: "Test" },
    { key: "message", title: "Message", class: "wide" },
    { key: "markers", title: "Markers", class: "wider" },
    { key: "worker", title: "Worker", class: "wide" },
    { key: "start", title: "Began", class: "wide right" },
    { key: "duration", title: "Took", class: "right" },
];

function Head({ sort }: { sort: string }) {
    const current = sortOf(sort);
    const next = (key: Sortable) => (current?.by !== key ? (key === "duration" ? `-${key}` : key) : flipped(sort));
    return (
        <div role="row" class="row-head" aria-rowindex={1}>
            {COLUMNS.map(({ key, title, class: name = "" }) => (
                <span
                    key={key}
                    role="columnheader"
                    class={name}
                    aria-sort={current?.by !== key ? "none" : current.down ? "descending" : "ascending"}
                >
                    <button
                        type="button"
                        onClick={() => go({ sort: next(key) }, { replace: true })}
                        aria-label={`Sort by ${title || key}`}
                    >
                        {title || <span aria-hidden="true">●</span>}
                        {current?.by === key && <i aria-hidden="true">{current.down ? " ↓" : " ↑"}</i>}
                    </button>
                </span>
            ))}
        </div>
    );
}

/** A second click turns the order round, a third goes back to the order of arrival. */
function flipped(sort: string): string | undefined {
    const first = sort.replace(/^-/, "") === "duration" ? "-duration" : sort.replace(/^-/, "");
    return sort === first ? (sort.startsWith("-") ? sort.slice(1) : `-${sort}`) : undefined;
}

/**
 * A row whose elements stay when it becomes another test's: only the texts are written anew. To compare elements with
 * those before takes several times as long, and a filter may have to at each keystroke.
 */
function TestRow({ table, n, longest, props }: { table: TestTable; n: number; longest: number; props: RowProps }) {
    const row = useRef<HTMLDivElement>(null);
    const [file, name, outcome] = [table.file.at(n), table.name[n] ?? "", table.outcome.at(n)];
    const [attempt, flaky, took] = [table.attempt.at(n), table.flaky.at(n) === 1, table.duration.at(n)];
    const sign = useMemo(() => <Sign outcome={outcome} />, [outcome]);
    const badges = attempt > 1 || flaky ? `${attempt} ${flaky}` : "";
    const cells = useMemo(
        () => [
            <span role="gridcell">{sign}</span>,
            <span role="gridcell" class="test-name">
                <span class="file" />
                <span class="name" />
                {attempt > 1 && <i class="badge">attempt {attempt}</i>}
                {flaky && <i class="badge o-rerun">flaky</i>}
            </span>,
            <span role="gridcell" class="wide dim ellipsis" />,
            <span role="gridcell" class="wider dim ellipsis" />,
            <span role="gridcell" class="wide dim" />,
            <span role="gridcell" class="wide right dim" />,
            <span role="gridcell" class="duration shared" />,
        ],
        [sign, badges],
    );
    useLayoutEffect(() => {
        let cell = row.current!.children[1] as HTMLElement;
        cell.title = table.nodeid(n);
        write(cell.children[0]!, name && file);
        write(cell.children[1]!, name || file);
        for (const text of [
            shortMessage(table, n),
            table.markers.at(n).replaceAll(",", ", "),
            table.worker.at(n),
            duration(table.start.at(n)),
            duration(took),
        ])
            write((cell = cell.nextElementSibling as HTMLElement), text);
        cell.style.backgroundSize = lineSize(took, longest);
    });
    return (
        <div ref={row} {...props} class={`${props.class} ${isBad(outcome) ? "bad" : ""}`}>
            {cells}
        </div>
    );
}

/** Make an element's text another, in place. */
function write(element: Element, text: string): void {
    const node = element.firstChild as Text | null;
    if (!node) element.textContent = text;
    else if (node.data !== text) node.data = text;
}

/** The exception without its package, and what it says. */
export function shortMessage(table: TestTable, n: number): string {
    const [type, message] = [table.type.at(n).split(".").at(-1) ?? "", table.message.at(n)];
    return type && !message.startsWith(type) ? `${type}${message && `: ${message}`}` : message;
}

function Filter({ run, table, rows }: { run: Run; table: TestTable; rows: Uint32Array }) {
    const query = address.value.q ?? "";
    const set = (q: string) => go({ q: q || undefined }, { replace: true });
    const chosen = valuesOf(query, "outcome");
    const marked = useMemo(() => markers(table), [table, table.markers.words.length]);
    const strange = strangers(query, table, rows.length > 0);
    return (
        <div class="filter">
            <input
                id="filter"
                type="search"
                value={query}
                placeholder="Filter: cart outcome:failed file:api marker:slow worker:gw1 duration:>1s"
                aria-label="Filter the tests"
                spellcheck={false}
                autocomplete="off"
                onInput={(event) => set(event.currentTarget.value)}
            />
            <div class="chips">
                {ordered(run.counts).map(([outcome, n]) => (
                    <button
                        type="button"
                        key={outcome}
                        class={`chip ${tone(outcome)}`}
                        aria-pressed={chosen.includes(outcome)}
                        onClick={() => set(toggled(query, "outcome", outcome))}
                    >
                        <Sign outcome={outcome} />
                        {count(n)} <span>{outcome}</span>
                    </button>
                ))}
                <Pick label="File" keyword="file" options={table.file.words} query={query} onChange={set} />
                <Pick label="Marker" keyword="marker" options={marked} query={query} onChange={set} />
                <Pick label="Worker" keyword="worker" options={table.worker.words} query={query} onChange={set} />
                <span class="grow" />
                <span class="dim" role="status">
                    {rows.length === table.count ? some(table.count) : `${count(rows.length)} of ${some(table.count)}`}
                </span>
                {rows.length > 0 && (
                    <Copy text={() => rerun(table, rows)} title="The pytest command that runs these tests again">
                        Copy pytest command
                    </Copy>
                )}
            </div>
            {strange.length > 0 && (
                <p class="why" role="status">
                    No such filter: {strange.join(" ")}. The key ? tells which there are.
                </p>
            )}
        </div>
    );
}

const MOST = 500;
/** Made when it is needed: the browser takes its time for it. */
let natural: Intl.Collator | undefined;

function markers(table: TestTable): string[] {
    return [...new Set(table.markers.words.flatMap((word) => word.split(",")))];
}

function Pick({
    label,
    keyword,
    options,
    query,
    onChange,
}: {
    label: string;
    keyword: Key;
    options: string[];
    query: string;
    onChange: (query: string) => void;
}) {
    const given = useMemo(() => {
        natural ??= new Intl.Collator("en", { numeric: true });
        return options
            .filter((option) => option !== "")
            .sort(natural.compare)
            .slice(0, MOST);
    }, [options, options.length]);
    const list = useMemo(
        () =>
            given.map((option) => (
                <option key={option} value={option}>
                    {option}
                </option>
            )),
        [given],
    );
    if (given.length < 2 && !(given.length === 1 && keyword === "marker")) return null;
    const [value = ""] = valuesOf(query, keyword);
    const exact = given.find((option) => option.toLowerCase() === value);
    return (
        <select
            aria-label={label}
            value={exact ?? ""}
            onChange={(event) =>
                onChange(withValues(query, keyword, event.currentTarget.value ? [event.currentTarget.value] : []))
            }
        >
            <option value="">{label}</option>
            {list}
        </select>
    );
}
