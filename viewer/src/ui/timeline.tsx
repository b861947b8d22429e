import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, plural, tick, ticks } from "../model/format";
import { legible } from "../model/legible";
import { across, type Bar, bars, besides, type Lane, lanes, rowAt, type Unended, withUnended } from "../model/lanes";
import { OUTCOMES, type TestTable } from "../model/tests";
import type { Run } from "../protocol";
import { address, go, type OpenRun } from "../state";
import { Empty, Sign } from "./bits";
import { colours, isDark, prepare, useWidth } from "./canvas";
import { useStore } from "./context";
import { chosenRow, Split } from "./detail";

const LANE = 34;
const AXIS = 24;
const INK = [
    "text",
    "text-2",
    "grid",
    "lane",
    "hatch",
    "accent",
    "shade",
    ...OUTCOMES.map((outcome) => `o-${outcome}`),
    "o-other",
];

type Range = [number, number];

/** What each worker did when, and when it did nothing. */
export function Timeline({ run, open }: { run: Run; open: OpenRun }) {
    const store = useStore();
    const version = open.version.value;
    const { table } = open;
    const finished = useMemo(() => lanes(table), [version, table]);
    const found = run.running.length > 0 ? withUnended(finished, unended(run), until(run, store.now.value)) : finished;
    const n = chosenRow(table);
    if (found.length === 0)
        return <Empty title={run.state === "running" ? "No test has finished yet" : "This run has no tests"} />;
    return (
        <Split run={run} open={open} n={n} onStep={(by) => choose(table, found, besides(found, n, by))} scrolls>
            <Chart table={table} found={found} chosen={n} version={version} word={word(run)} />
            <LaneTable found={found} word={word(run)} />
        </Split>
    );
}

const word = (run: Run): string => (run.state === "running" ? "running" : "never ended");

const unended = (run: Run): Unended[] =>
    run.running.map((test) => ({ ...test, nodeid: legible(test.nodeid), start: test.start - run.start }));

/** How far what has not ended is known to have lasted, µs since the run's start by the sender's clock: till now, or the last word. */
function until(run: Run, now: number): number {
    const heard = run.state === "running" ? now : run.live ? run.heard : 0;
    return Math.max(run.duration, heard + run.skew - run.start);
}

function whole(found: Lane[]): Range {
    const from = Math.min(...found.map((lane) => lane.from), 0);
    return [from, Math.max(...found.map((lane) => lane.to), from + 1)];
}

function zoomOf(found: Lane[]): Range {
    const [from, to] = (address.value.zoom ?? "").split("~").map(Number);
    return from !== undefined && to !== undefined && to > from ? [from, to] : whole(found);
}

function setZoom(found: Lane[], [from, to]: Range): void {
    const [first, last] = whole(found);
    const all = from <= first && to >= last;
    go(
        {
            zoom:
                all || to - from < 1
                    ? undefined
                    : `${Math.round(Math.max(from, first))}~${Math.round(Math.min(to, last))}`,
        },
        { replace: true },
    );
}

/** Show a test beside the chart, which moves to where the test is. */
function choose(table: TestTable, found: Lane[], n: number | undefined): void {
    if (n === undefined) return;
    go({ test: String(n), span: undefined }, { replace: address.value.test !== undefined });
    const [[from, to], [first, last]] = [zoomOf(found), whole(found)];
    const [start, end] = [table.start.at(n), table.start.at(n) + table.duration.at(n)];
    if (!address.value.zoom || (end >= from && start <= to)) return;
    const left = Math.max(first, Math.min(last - (to - from), (start + end + from - to) / 2));
    setZoom(found, [left, left + to - from]);
}

function Chart({
    table,
    found,
    chosen,
    version,
    word,
}: {
    table: TestTable;
    found: Lane[];
    chosen: number;
    version: number | undefined;
    word: string;
}) {
    const { ref: box, width } = useWidth<HTMLDivElement>();
    const canvas = useRef<HTMLCanvasElement>(null);
    const [hover, setHover] = useState<{ of: number | Unended; x: number; y: number } | undefined>(undefined);
    const [drag, setDrag] = useState<Range | undefined>(undefined);
    const night = isDark();
    const ink = useMemo(() => colours(INK), [night]);
    const [from, to] = zoomOf(found);
    const height = AXIS + found.length * LANE;
    const time = (x: number) => from + (x / Math.max(width, 1)) * (to - from);
    useLayoutEffect(() => {
        if (width > 0)
            paint(prepare(canvas.current!, width, height), {
                table,
                found,
                from,
                to,
                width,
                height,
                ink,
                chosen,
                word,
            });
    }, [version, found, width, height, from, to, ink, chosen]);

    const place = (event: MouseEvent): [number, number] => {
        const { left, top } = canvas.current!.getBoundingClientRect();
        return [event.clientX - left, event.clientY - top];
    };
    const at = ([x, y]: [number, number]) => {
        const lane = found[Math.floor((y - AXIS) / LANE)];
        if (!lane || y < AXIS) return undefined;
        const unended = lane.unended.findLast((test) => test.start <= time(x) && time(x) <= lane.to);
        return unended ?? rowAt(table, lane, time(x), ((to - from) / Math.max(width, 1)) * 4);
    };
    const onMove = (event: PointerEvent) => {
        const [x, y] = place(event);
        if (drag) return setDrag([drag[0], x]);
        const of = at([x, y]);
        setHover(of === undefined ? undefined : { of, x, y });
    };
    const onUp = (event: PointerEvent) => {
        const [x, y] = place(event);
        const began = drag?.[0] ?? x;
        setDrag(undefined);
        if (Math.abs(x - began) > 5) return setZoom(found, [time(Math.min(began, x)), time(Math.max(began, x))]);
        const n = at([x, y]);
        if (typeof n === "number")
            go({ test: String(n), span: undefined }, { replace: address.value.test !== undefined });
    };
    const scaled = (factor: number, middle = (from + to) / 2): void =>
        setZoom(found, [middle - (middle - from) * factor, middle + (to - middle) * factor]);
    const shifted = (part: number): void => {
        const [first, last] = whole(found);
        const by = Math.max(first - from, Math.min(last - to, (to - from) * part));
        setZoom(found, [from + by, to + by]);
    };
    const onKey = (event: KeyboardEvent) => {
        const actions: Record<string, () => void> = {
            ArrowLeft: () => shifted(-0.2),
            ArrowRight: () => shifted(0.2),
            "+": () => scaled(0.5),
            "=": () => scaled(0.5),
            "-": () => scaled(2),
            "0": () => go({ zoom: undefined }, { replace: true }),
            j: () => choose(table, found, besides(found, chosen, 1)),
            k: () => choose(table, found, besides(found, chosen, -1)),
            ArrowDown: () => choose(table, found, across(table, found, chosen, 1)),
            ArrowUp: () => choose(table, found, across(table, found, chosen, -1)),
        };
        const action = event.ctrlKey || event.metaKey ? undefined : actions[event.key];
        if (!action) return;
        action();
        event.preventDefault();
    };
    const onWheel = (event: WheelEvent) => {
        if (!event.ctrlKey && !event.metaKey) return;
        event.preventDefault();
        scaled(event.deltaY > 0 ? 1.25 : 0.8, time(place(event)[0]));
    };
    return (
        <div class="timeline">
            <div class="timeline-bar">
                <span class="dim">
                    Drag over a part to see it larger, Ctrl and the wheel zoom, ← → move, j k go from test to test
                </span>
                <span class="grow" />
                <button type="button" class="button icon" aria-label="Zoom in" onClick={() => scaled(0.5)}>
                    +
                </button>
                <button type="button" class="button icon" aria-label="Zoom out" onClick={() => scaled(2)}>
                    −
                </button>
                <button
                    type="button"
                    class="button"
                    disabled={!address.value.zoom}
                    onClick={() => go({ zoom: undefined }, { replace: true })}
                >
                    Whole run
                </button>
            </div>
            <div class="chart">
                <div class="lane-names" aria-hidden="true">
                    {found.map((lane) => (
                        <span key={lane.worker}>{lane.worker || "tests"}</span>
                    ))}
                </div>
                <div
                    ref={box}
                    class="chart-box"
                    tabIndex={0}
                    role="application"
                    aria-label={`Timeline of ${plural(found.length, "worker")}: j and k go from test to test, the arrows up and down from worker to worker`}
                    onKeyDown={onKey}
                >
                    <span class="unseen" role="status">
                        {chosen >= 0 && `${table.outcome.at(chosen)} ${table.nodeid(chosen)}`}
                    </span>
                    <canvas
                        ref={canvas}
                        style={{ width: `${width}px`, height: `${height}px` }}
                        onPointerMove={onMove}
                        onPointerLeave={() => setHover(undefined)}
                        onWheel={onWheel}
                        onPointerDown={(event) => {
                            event.currentTarget.setPointerCapture(event.pointerId);
                            const [x] = place(event);
                            setDrag([x, x]);
                        }}
                        onPointerUp={onUp}
                        onDblClick={() => go({ zoom: undefined }, { replace: true })}
                    />
                    {drag && Math.abs(drag[1] - drag[0]) > 5 && (
                        <div
                            class="drag"
                            style={{
                                left: `${Math.min(...drag)}px`,
                                width: `${Math.abs(drag[1] - drag[0])}px`,
                                top: `${AXIS}px`,
                            }}
                        />
                    )}
                    {hover && !drag && (
                        <Tip {...hover} width={width}>
                            {typeof hover.of === "number" ? (
                                <Ended table={table} n={hover.of} />
                            ) : (
                                <>
                                    <b>{hover.of.nodeid}</b>
                                    <span>
                                        {word}, began at {duration(hover.of.start)}
                                    </span>
                                </>
                            )}
                        </Tip>
                    )}
                </div>
            </div>
        </div>
    );
}

function Tip({ x, y, width, children }: { x: number; y: number; width: number; children: ComponentChildren }) {
    return (
        <div
            class="tip"
            style={{
                [x > width / 2 ? "right" : "left"]: `${x > width / 2 ? width - x + 12 : x + 12}px`,
                top: `${y + 14}px`,
            }}
        >
            {children}
        </div>
    );
}

function Ended({ table, n }: { table: TestTable; n: number }) {
    return (
        <>
            <b>{table.name[n] || table.file.at(n)}</b>
            <span class="dim">{table.file.at(n)}</span>
            <span>
                <Sign outcome={table.outcome.at(n)} /> {table.outcome.at(n)}, {duration(table.duration.at(n))}, at{" "}
                {duration(table.start.at(n))}
            </span>
        </>
    );
}

interface Picture {
    table: TestTable;
    found: Lane[];
    from: number;
    to: number;
    width: number;
    height: number;
    ink: Record<string, string>;
    chosen: number;
    word: string;
}

function paint(context: CanvasRenderingContext2D, picture: Picture): void {
    const { found, from, to, width, height, ink } = picture;
    const scale = width / (to - from);
    const hatch = hatching(context, ink);
    context.font = "11px system-ui, sans-serif";
    for (const t of ticks(from, to, Math.max(2, width / 120))) {
        const x = Math.round((t - from) * scale);
        context.fillStyle = ink.grid!;
        context.fillRect(x, AXIS - 6, 1, height);
        context.fillStyle = ink["text-2"]!;
        if (x < width - 40) context.fillText(tick(t), x + 4, 12);
    }
    found.forEach((lane, i) => {
        const top = AXIS + i * LANE + 4;
        const [left, right] = [Math.max(0, (lane.from - from) * scale), Math.min(width, (lane.to - from) * scale)];
        context.fillStyle = ink.lane!;
        context.fillRect(0, top, width, LANE - 8);
        context.fillStyle = hatch;
        if (right > left) context.fillRect(left, top, right - left, LANE - 8);
        for (const bar of bars(picture.table, lane, from, to, width)) paintBar(context, picture, bar, top, scale);
        for (const test of lane.unended)
            paintUnended(context, picture, Math.max(0, (test.start - from) * scale), right, top);
    });
}

/** Pale, with an edge where it began, and the word for it: where it ends nobody knows. */
function paintUnended(
    context: CanvasRenderingContext2D,
    { ink, word, width }: Picture,
    left: number,
    right: number,
    top: number,
): void {
    if (left >= width) return;
    context.fillStyle = ink.lane!;
    context.fillRect(left, top, right - left, LANE - 8);
    context.fillStyle = ink[word === "running" ? "accent" : "o-interrupted"]!;
    context.globalAlpha = 0.3;
    context.fillRect(left, top, right - left, LANE - 8);
    context.globalAlpha = 1;
    context.fillRect(left, top, 3, LANE - 8);
    context.fillStyle = ink.text!;
    if (right - left > 80) context.fillText(word, left + 8, top + 17);
}

/** What is hatched is a gap: the worker had nothing to do. */
function hatching(context: CanvasRenderingContext2D, ink: Record<string, string>): CanvasPattern {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 6;
    const pen = tile.getContext("2d")!;
    pen.strokeStyle = ink.hatch!;
    pen.beginPath();
    for (const x of [-6, 0, 6]) {
        pen.moveTo(x, 6);
        pen.lineTo(x + 6, 0);
    }
    pen.stroke();
    return context.createPattern(tile, "repeat")!;
}

function paintBar(
    context: CanvasRenderingContext2D,
    { table, ink, chosen, from }: Picture,
    { x, width, row }: Bar,
    top: number,
    scale: number,
): void {
    const outcome = table.outcome.at(row);
    context.fillStyle = ink[`o-${outcome}`] ?? ink["o-other"]!;
    const size = width > 3 ? width - 1 : width;
    context.fillRect(x, top, size, LANE - 8);
    if (width > 12) {
        // Set-up and tear-down paler, so that one sees what the test itself took.
        const start = (table.start.at(row) - from) * scale;
        const [setup, teardown] = [table.setup.at(row) * scale, table.teardown.at(row) * scale];
        context.fillStyle = ink.shade!;
        if (start >= 0) context.fillRect(x, top, Math.min(setup, size), LANE - 8);
        context.fillRect(x + size - Math.min(teardown, size), top, Math.min(teardown, size), LANE - 8);
    }
    if (row !== chosen) return;
    context.strokeStyle = ink.accent!;
    context.lineWidth = 2;
    context.strokeRect(x - 1, top - 1, size + 2, LANE - 6);
}

function LaneTable({ found, word }: { found: Lane[]; word: string }) {
    const [first, last] = whole(found);
    const length = last - first;
    return (
        <div class="scroll" tabIndex={0} role="region" aria-label="Workers">
            <table class="plain">
                <caption>Workers</caption>
                <thead>
                    <tr>
                        <th scope="col">Worker</th>
                        <th scope="col" class="right">
                            Tests
                        </th>
                        <th scope="col" class="right">
                            Busy
                        </th>
                        <th scope="col" class="right">
                            Idle
                        </th>
                        <th scope="col" class="right">
                            First test at
                        </th>
                        <th scope="col" class="right">
                            Last ends at
                        </th>
                        <th scope="col" class="right">
                            Longest gap
                        </th>
                    </tr>
                </thead>
                <tbody>
                    {found.map((lane) => (
                        <tr key={lane.worker}>
                            <th scope="row">{lane.worker || "tests"}</th>
                            <td class="right">{lane.rows.length}</td>
                            <td class="right">
                                {duration(lane.busy)}{" "}
                                <small class="dim">{Math.round((lane.busy / length) * 100)} %</small>
                            </td>
                            <td class="right">{duration(Math.max(0, length - lane.busy))}</td>
                            <td class="right">{duration(lane.from)}</td>
                            <td class="right" title={lane.unended.map((test) => test.nodeid).join("\n")}>
                                {lane.unended.length > 0 ? word : duration(lane.to)}
                            </td>
                            <td class="right">
                                {lane.longestGap > 0 && (
                                    <button
                                        type="button"
                                        class="link"
                                        title="Show it"
                                        onClick={() =>
                                            setZoom(found, [
                                                lane.longestGapAt - lane.longestGap,
                                                lane.longestGapAt + lane.longestGap * 2,
                                            ])
                                        }
                                    >
                                        {duration(lane.longestGap)}
                                    </button>
                                )}
                            </td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </div>
    );
}
