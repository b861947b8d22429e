import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { duration, tick, ticks } from "../model/format";
import { legible } from "../model/legible";
import { kindName, role, severityName, type SpanTree, visible } from "../model/spans";
import type { Attributes, Log, More, Value } from "../protocol";
import { Facts, Trouble } from "./bits";
import { colours, isDark, prepare, useWidth } from "./canvas";
import { useAsked } from "./context";
import { Rows, type RowProps, type Window } from "./rows";
import { Traceback } from "./traceback";

const HEIGHT = 24;
const SERVICES = 5;
const INK = [
    "o-failed",
    "bar-test",
    "bar-phase",
    "bar-fixture",
    "bar-subtest",
    "grid",
    "log",
    ...Array.from({ length: SERVICES }, (_, i) => `bar-app${i}`),
];

interface Props {
    tree: SpanTree;
    /** The span chosen, as the address has it. */
    chosen: number;
    onChoose: (span: number) => void;
    /** Ask for what was left out of a large test. */
    fetchMore: (span: number) => Promise<More>;
}

export function Waterfall({ tree, chosen, onChoose, fetchMore }: Props) {
    const [closed, setClosed] = useState<ReadonlySet<number>>(new Set());
    const [zoom, setZoom] = useState<number>(0);
    const rows = useMemo(() => visible(tree, closed), [tree, closed]);
    const marks = useMemo(() => logsBySpan(tree), [tree]);
    const [from, to] = zoom > 0 && zoom < tree.count ? around(tree, zoom) : [tree.from, tree.to];
    const toggle = (span: number) => {
        const next = new Set(closed);
        if (!next.delete(span)) next.add(span);
        setClosed(next);
    };
    const row = useCallback(
        (index: number, slot: number, props: RowProps) => (
            <SpanRow
                key={slot}
                tree={tree}
                span={rows[index]!}
                row={props}
                closed={closed.has(rows[index]!)}
                onToggle={toggle}
                onZoom={setZoom}
            />
        ),
        [rows],
    );
    const onKey = (event: KeyboardEvent) => {
        const parent = tree.parent[chosen] ?? -1;
        const leaf = tree.last[chosen] === chosen;
        if (event.key === "ArrowLeft" && (leaf || closed.has(chosen)) && parent >= 0) onChoose(parent);
        else if (event.key === "ArrowLeft" && !leaf && !closed.has(chosen)) toggle(chosen);
        else if (event.key === "ArrowRight" && closed.has(chosen)) toggle(chosen);
        else if (event.key === "z") setZoom(zoom === chosen ? 0 : chosen);
        else return;
        event.preventDefault();
        event.stopPropagation();
    };
    return (
        <div class="waterfall">
            {tree.count > 12 && (
                <Find
                    tree={tree}
                    chosen={chosen}
                    onChoose={(span) => {
                        setClosed(opened(tree, closed, span));
                        onChoose(span);
                    }}
                />
            )}
            <Rows
                id="span"
                role="treegrid"
                label="Spans"
                class="spans"
                count={rows.length}
                height={HEIGHT}
                cursor={rows.indexOf(chosen)}
                headHeight={28}
                onCursor={(index) => onChoose(rows[index]!)}
                onKey={onKey}
                head={<Axis from={from} to={to} zoomed={zoom > 0} onReset={() => setZoom(0)} />}
                row={row}
                beside={(window) => <Bars tree={tree} rows={rows} window={window} from={from} to={to} marks={marks} />}
            />
            {chosen >= 0 && chosen < tree.count && (
                <SpanDetail
                    key={chosen}
                    tree={tree}
                    span={chosen}
                    fetchMore={fetchMore}
                    zoomed={zoom === chosen}
                    onZoom={() => setZoom(zoom === chosen ? 0 : chosen)}
                />
            )}
        </div>
    );
}

/** A span's own time, with a little around it. */
function around(tree: SpanTree, span: number): [number, number] {
    const margin = Math.max(tree.duration[span]! * 0.03, 1);
    return [tree.start[span]! - margin, tree.start[span]! + tree.duration[span]! + margin];
}

function opened(tree: SpanTree, closed: ReadonlySet<number>, span: number): ReadonlySet<number> {
    const next = new Set(closed);
    for (let above = tree.parent[span]!; above >= 0; above = tree.parent[above]!) next.delete(above);
    return next;
}

function logsBySpan(tree: SpanTree): Map<number, Log[]> {
    const marks = new Map<number, Log[]>();
    for (const log of tree.logs) {
        const known = marks.get(log.span);
        if (known) known.push(log);
        else marks.set(log.span, [log]);
    }
    return marks;
}

function Find({ tree, chosen, onChoose }: { tree: SpanTree; chosen: number; onChoose: (span: number) => void }) {
    const [text, setText] = useState("");
    const next = (wanted: (span: number) => boolean, step: number) => {
        for (let i = 1; i <= tree.count; i++) {
            const span = (chosen + i * step + tree.count * 2) % tree.count;
            if (wanted(span)) return onChoose(span);
        }
    };
    const named = (span: number) => tree.name[span]!.toLowerCase().includes(text.toLowerCase());
    const bad = (span: number) => tree.status[span] === 2;
    const errors = tree.status.reduce((sum, status) => sum + (status === 2 ? 1 : 0), 0);
    return (
        <div class="find">
            <input
                type="search"
                placeholder="Find a span"
                aria-label="Find a span"
                value={text}
                onInput={(event) => setText(event.currentTarget.value)}
                onKeyDown={(event) => event.key === "Enter" && text !== "" && next(named, event.shiftKey ? -1 : 1)}
            />
            {text !== "" && (
                <span class="dim">
                    {tree.name.filter((_, span) => named(span)).length} found, Enter leads to the next
                </span>
            )}
            {errors > 0 && (
                <button type="button" class="button" onClick={() => next(bad, 1)}>
                    Next error ({errors})
                </button>
            )}
        </div>
    );
}

function Axis({ from, to, zoomed, onReset }: { from: number; to: number; zoomed: boolean; onReset: () => void }) {
    return (
        <div role="row" class="row-head" aria-rowindex={1}>
            <span role="columnheader">
                Span
                {zoomed && (
                    <button type="button" class="link" onClick={onReset}>
                        whole time
                    </button>
                )}
            </span>
            <span role="columnheader" class="right">
                Took
            </span>
            <span role="columnheader" class="axis">
                <span class="unseen">Starts</span>
                {ticks(from, to, 4).map((t) => {
                    const place = ((t - from) / (to - from)) * 100;
                    return place > 86 ? null : (
                        <i key={t} aria-hidden="true" style={{ left: `${place}%` }}>
                            {tick(t)}
                        </i>
                    );
                })}
            </span>
        </div>
    );
}

function SpanRow({
    tree,
    span,
    row,
    closed,
    onToggle,
    onZoom,
}: {
    tree: SpanTree;
    span: number;
    row: RowProps;
    closed: boolean;
    onToggle: (span: number) => void;
    onZoom: (span: number) => void;
}) {
    const children = tree.last[span]! > span;
    const kind = role(tree, span);
    const service = String(tree.resources[tree.resource[span]!]?.["service.name"] ?? "");
    const foreign = tree.resource[span] !== tree.resource[0];
    return (
        <div
            {...row}
            aria-level={tree.depth[span]! + 1}
            {...(children && { "aria-expanded": !closed })}
            onDblClick={() => onZoom(span)}
            class={`${row.class} ${kind} ${tree.status[span] === 2 ? "bad" : ""}`}
        >
            <span
                role="gridcell"
                class="span-name"
                style={{ paddingLeft: `${Math.min(tree.depth[span]!, 24) * 14 + (children ? 4 : 22)}px` }}
            >
                {children && (
                    <i
                        class={`twist ${closed ? "closed" : "open"}`}
                        aria-hidden="true"
                        onClick={(event) => {
                            event.stopPropagation();
                            onToggle(span);
                        }}
                    />
                )}
                {foreign && <i class="service">{service}</i>}
                <span class="ellipsis" title={tree.name[span]!}>
                    {tree.name[span]}
                </span>
                {tree.status[span] === 2 && <span class="flag">error</span>}
                {tree.more[span]?.orphan && (
                    <span class="flag" title="Its parent did not arrive">
                        no parent
                    </span>
                )}
            </span>
            <span role="gridcell" class="right">
                {duration(tree.duration[span]!)}
            </span>
            <span role="gridcell" aria-label={`starts at ${duration(tree.start[span]!)}`} />
        </div>
    );
}

function Bars({
    tree,
    rows,
    window,
    from,
    to,
    marks,
}: {
    tree: SpanTree;
    rows: Int32Array;
    window: Window;
    from: number;
    to: number;
    marks: Map<number, Log[]>;
}) {
    const { ref: box, width } = useWidth<HTMLDivElement>();
    const canvas = useRef<HTMLCanvasElement>(null);
    const night = isDark();
    const ink = useMemo(() => colours(INK), [night]);
    const height = Math.max(0, window.last - window.first) * HEIGHT;
    // Painted before the browser shows the rows that it belongs to.
    useLayoutEffect(() => {
        if (width === 0 || height === 0) return;
        const context = prepare(canvas.current!, width, height);
        const x = (time: number) => ((time - from) / (to - from)) * width;
        context.fillStyle = ink.grid!;
        for (const t of ticks(from, to, 4)) context.fillRect(Math.round(x(t)), 0, 1, height);
        for (let i = window.first; i < window.last; i++) {
            const span = rows[i]!;
            const top = (i - window.first) * HEIGHT;
            bar(
                context,
                tree,
                span,
                x(tree.start[span]!),
                x(tree.start[span]! + tree.duration[span]!),
                top,
                width,
                ink,
            );
            for (const log of marks.get(span) ?? [])
                dot(context, x(log.time), top, log.severity >= 17 ? ink["o-failed"]! : ink.log!);
            for (const event of tree.more[span]?.events ?? [])
                dot(context, x(event.time), top, event.name === "exception" ? ink["o-failed"]! : ink.log!);
        }
    });
    return (
        <div
            ref={box}
            class="bars"
            aria-hidden="true"
            style={{ transform: `translateY(${window.first * HEIGHT}px)`, height: `${height}px` }}
        >
            <canvas ref={canvas} style={{ width: `${width}px`, height: `${height}px` }} />
        </div>
    );
}

function bar(
    context: CanvasRenderingContext2D,
    tree: SpanTree,
    span: number,
    left: number,
    right: number,
    top: number,
    width: number,
    ink: Record<string, string>,
) {
    if (right < 0 || left > width) return;
    const [start, end] = [Math.max(left, -4), Math.min(right, width + 4)];
    const kind = role(tree, span);
    context.fillStyle = ink[kind === "app" ? `bar-app${(tree.resource[span] ?? 0) % SERVICES}` : `bar-${kind}`]!;
    context.beginPath();
    context.roundRect(start, top + 6, Math.max(end - start, 2), HEIGHT - 12, 3);
    context.fill();
    if (tree.status[span] !== 2) return;
    context.fillStyle = ink["o-failed"]!;
    context.fillRect(start, top + HEIGHT - 6, Math.max(end - start, 2), 2);
}

function dot(context: CanvasRenderingContext2D, x: number, top: number, colour: string) {
    context.fillStyle = colour;
    context.beginPath();
    context.arc(x, top + HEIGHT / 2, 2.5, 0, 7);
    context.fill();
}

function SpanDetail({
    tree,
    span,
    fetchMore,
    zoomed,
    onZoom,
}: {
    tree: SpanTree;
    span: number;
    fetchMore: (span: number) => Promise<More>;
    zoomed: boolean;
    onZoom: () => void;
}) {
    const given = tree.more[span] ?? null;
    const asked = useAsked(async () => (given === null || given.left ? fetchMore(span) : given), [tree, span]);
    const more = asked.value ?? given ?? {};
    const resource = tree.resources[tree.resource[span]!] ?? {};
    const logs = tree.logs.filter((log) => log.span === span);
    return (
        <section class="span-detail" aria-label="Span">
            <header>
                <h4>{tree.name[span]}</h4>
                <button type="button" class="button" onClick={onZoom}>
                    {zoomed ? "Whole time" : "Zoom in"}
                </button>
            </header>
            <Trouble text={asked.error} />
            <Facts
                items={[
                    ["took", duration(tree.duration[span]!)],
                    ["starts at", duration(tree.start[span]!)],
                    ["service", text(resource["service.name"] ?? "")],
                    ["kind", tree.kind[span] === 1 ? "" : kindName(tree.kind[span]!)],
                    ["scope", more.scope ?? ""],
                    ["status", more.message ?? ""],
                    ["span id", tree.id[span] ?? ""],
                    ["trace state", more.state ?? ""],
                ]}
            />
            <AttributeList attributes={more.attributes ?? {}} />
            {(more.events ?? []).map((event, i) => (
                <div key={i} class="event">
                    <h5>
                        {event.name} <small>{duration(event.time)}</small>
                    </h5>
                    {event.name === "exception" ? (
                        <Traceback
                            text={text(
                                event.attributes["exception.stacktrace"] ?? event.attributes["exception.message"] ?? "",
                            )}
                        />
                    ) : (
                        <AttributeList attributes={event.attributes} />
                    )}
                </div>
            ))}
            <Logs logs={logs} tree={tree} />
            {(more.links ?? []).map((link, i) => (
                <p key={i} class="dim mono">
                    links to {link.trace} {link.span}
                </p>
            ))}
        </section>
    );
}

/** The log lines of a whole tree under their heading; nothing where there are none. */
export function TreeLogs({ tree, onSpan }: { tree: SpanTree; onSpan: (span: number) => void }) {
    return tree.logs.length === 0 ? null : (
        <section>
            <h3>
                Logs <small>{tree.logs.length}</small>
            </h3>
            <Logs logs={tree.logs} tree={tree} onSpan={onSpan} />
        </section>
    );
}

function Logs({ logs, tree, onSpan }: { logs: Log[]; tree: SpanTree; onSpan?: (span: number) => void }) {
    if (logs.length === 0) return null;
    const shown = logs.slice(0, 500);
    return (
        <ol class="logs">
            {shown.map((log, i) => (
                <li key={i} class={`log ${severityName(log.severity)}`}>
                    <span class="log-time">{duration(log.time)}</span>
                    <span class="log-level">{severityName(log.severity) || log.event}</span>
                    <span class="log-text">
                        {legible(log.text || log.event)}
                        {onSpan && log.span > 0 && (
                            <button type="button" class="link" onClick={() => onSpan(log.span)}>
                                {tree.name[log.span]}
                            </button>
                        )}
                    </span>
                </li>
            ))}
            {logs.length > shown.length && <li class="dim">{logs.length - shown.length} more</li>}
        </ol>
    );
}

/** A value of an attribute as text. */
export function text(value: Value): string {
    return legible(
        typeof value === "object" && value !== null
            ? JSON.stringify(value, null, 1).replace(/\n\s*/g, " ")
            : String(value),
    );
}

export function AttributeList({ attributes }: { attributes: Attributes }) {
    const names = Object.keys(attributes).sort();
    if (names.length === 0) return null;
    return (
        <dl class="attributes">
            {names.map((name) => (
                <div key={name}>
                    <dt>{name}</dt>
                    <dd>{text(attributes[name]!)}</dd>
                </div>
            ))}
        </dl>
    );
}
