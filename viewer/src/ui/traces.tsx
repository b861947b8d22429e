import { useMemo } from "preact/hooks";
import { ago, duration, moment } from "../model/format";
import { legible } from "../model/legible";
import { treeOfTrace } from "../model/spans";
import { address, go, link } from "../state";
import { count, Duration, Empty, Facts, Loading, Remove, TraceLink, Trouble } from "./bits";
import { useAsked, useStore } from "./context";
import { Table } from "./slowest";
import { TreeLogs, Waterfall } from "./waterfall";

/** Traces that are no pytest run, as they are. */
export function Traces() {
    const store = useStore();
    const { value, error } = useAsked(() => store.source.traces(), [store.traces.value]);
    if (error) return <Trouble text={error} />;
    if (!value) return <Loading />;
    if (value.length === 0)
        return (
            <Empty title="No other traces" level="h1">
                <p>What comes in and is no pytest run is shown here.</p>
            </Empty>
        );
    const longest = Math.max(...value.map((trace) => trace.duration));
    return (
        <div class="page">
            <h1 class="unseen">Traces</h1>
            <Table
                head={["Trace", "Service", "Began", "Spans", "Errors", "Took"]}
                caption="Traces that are no pytest run"
            >
                {value.map((trace) => (
                    <tr key={trace.id}>
                        <td class="main">
                            <a href={link({ view: "traces", trace: trace.id })}>{legible(trace.name) || trace.id}</a>
                        </td>
                        <td>{trace.service}</td>
                        <td title={moment(trace.start)}>{ago(trace.start, store.now.value)}</td>
                        <td class="right">{count(trace.spans)}</td>
                        <td class="right">{trace.errors || ""}</td>
                        <td class="right">
                            <Duration micros={trace.duration} of={longest} />
                        </td>
                    </tr>
                ))}
            </Table>
            <p class="actions">
                <Remove what="traces" asks="Remove all traces that are no pytest run from the store?">
                    remove all
                </Remove>
            </p>
        </div>
    );
}

export function Trace({ id }: { id: string }) {
    const store = useStore();
    const { value, error } = useAsked(() => store.source.trace(id), [id]);
    const tree = useMemo(() => value && treeOfTrace(value), [value]);
    const all = <a href={link({ view: "traces" })}>All traces</a>;
    if (error)
        return (
            <Empty title="This trace is not here" level="h1">
                <p>{error}</p>
                <p>{all}</p>
            </Empty>
        );
    if (!value || !tree) return <Loading />;
    const choose = (span: number) => go({ span: String(span) }, { replace: true });
    return (
        <div class="page">
            <p class="actions">
                {all}
                <TraceLink trace={id}>Open trace</TraceLink>
            </p>
            <h1>{legible(value.trace.name) || id}</h1>
            <Facts
                items={[
                    ["service", value.trace.service],
                    ["took", duration(value.trace.duration)],
                    ["began", moment(value.trace.start)],
                    ["spans", count(tree.count)],
                    ["left out", value.cut ? count(value.cut) : ""],
                    ["trace id", id],
                ]}
            />
            <Waterfall
                tree={tree}
                chosen={Number(address.value.span ?? -1)}
                onChoose={choose}
                fetchMore={(span) => store.source.spanOfTrace(id, tree.id[span]!)}
            />
            <TreeLogs tree={tree} onSpan={choose} />
        </div>
    );
}
