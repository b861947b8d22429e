import { ago, duration, moment, plural } from "../model/format";
import type { Run } from "../protocol";
import { link } from "../state";
import { count, CountBar, Duration, Empty, ordered, Remove, Sign, StateBadge, stateOf, tone } from "./bits";
import { useAsked, useStore } from "./context";

/** All runs, the newest first. */
export function Runs() {
    const store = useStore();
    const runs = store.runs.value;
    if (runs.length === 0) return <Waiting />;
    const over = runs.filter((run) => run.state !== "running").length;
    return (
        <div class="page">
            <ul class="runs" aria-label="Runs">
                {runs.map((run) => (
                    <RunCard key={run.id} run={run} runs={runs} />
                ))}
            </ul>
            <OtherTraces />
            {over > 1 && (
                <p class="others">
                    <Remove what="runs" asks={`Remove all ${over} runs that are over from the store?`}>
                        remove all {over} runs that are over
                    </Remove>
                </p>
            )}
        </div>
    );
}

function OtherTraces() {
    const store = useStore();
    const { value } = useAsked(() => store.source.traces(), [store.traces.value]);
    return value?.length ? (
        <p class="others">
            <a href={link({ view: "traces" })}>
                {plural(value.length, "trace")} that {value.length === 1 ? "is" : "are"} no pytest run
            </a>
        </p>
    ) : null;
}

function Waiting() {
    const endpoint = useStore().info.value?.endpoints.http ?? "";
    return (
        <Empty title="Waiting for the first run">
            <p>Start one in another terminal:</p>
            <pre class="command">
                pytest --otel{endpoint && !/:4318$/.test(endpoint) ? `-endpoint ${endpoint}` : ""}
            </pre>
            <p class="dim">It is here as soon as it starts. Receiving at {endpoint || "no address"}.</p>
            <OtherTraces />
        </Empty>
    );
}

function RunCard({ run, runs }: { run: Run; runs: Run[] }) {
    const store = useStore();
    const others = runs.filter((other) => other.service === run.service && other.suite === run.suite);
    const previous = others[others.indexOf(run) + 1];
    return (
        <li class={`run-card ${tone(stateOf(run).tone)}`}>
            <div class="run-main">
                <a class="run-name" href={link({ run: run.id })}>
                    {run.service || run.name}
                    <span class="dim"> {run.name !== run.service && run.name}</span>
                </a>
                <StateBadge run={run} />
                <span class="grow" />
                <span class="dim" title={moment(run.start)}>
                    {ago(run.start, store.now.value)}
                </span>
            </div>
            <CountBar run={run} />
            <div class="run-line">
                <span class="signs">
                    {ordered(run.counts).map(([outcome, n]) => (
                        <span key={outcome} class="pair">
                            <Sign outcome={outcome} />
                            {count(n)}
                        </span>
                    ))}
                </span>
                {run.state === "running" && run.collected !== null && (
                    <span class="dim">
                        {count(run.done)} of {count(run.collected)}
                    </span>
                )}
                <Duration micros={run.duration} />
                {run.branch && (
                    <span class="ref" title="Branch">
                        {run.branch}
                    </span>
                )}
                {run.commit && (
                    <span class="mono dim" title={run.commit}>
                        {run.commit.slice(0, 8)}
                    </span>
                )}
                {run.why && <span class="why">{run.why}</span>}
                <span class="grow" />
                <Trend run={run} others={others} />
                {previous && (
                    <a class="dim" href={link({ run: run.id, view: "compare", with: previous.id })}>
                        compare
                    </a>
                )}
                {run.state !== "running" && (
                    <Remove
                        what="runs"
                        id={run.id}
                        asks={`Remove this run of ${run.service || run.name} from the store?`}
                    >
                        remove
                    </Remove>
                )}
            </div>
        </li>
    );
}

const TREND = 16;

/** How long the runs before took, and how they ended. */
function Trend({ run, others }: { run: Run; others: Run[] }) {
    const place = others.indexOf(run);
    const shown = others.slice(place, place + TREND).reverse();
    if (shown.length < 2) return null;
    const longest = Math.max(...shown.map((other) => other.duration), 1);
    return (
        <span
            class="trend"
            role="img"
            aria-label={`The last ${shown.length} runs took ${shown.map((other) => duration(other.duration)).join(", ")}`}
        >
            {shown.map((other) => (
                <i
                    key={other.id}
                    class={tone(stateOf(other).tone)}
                    style={{ height: `${Math.max(3, (other.duration / longest) * 20)}px` }}
                />
            ))}
        </span>
    );
}
