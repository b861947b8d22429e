import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { count as say, duration, moment, plural } from "../model/format";
import { problems } from "../model/problems";
import { isBad } from "../model/tests";
import type { Run, RunMore } from "../protocol";
import { address, link, type OpenRun } from "../state";
import { CountBar, Empty, Loading, ordered, Outside, Sign, StateBadge, tests, tone, Trouble } from "./bits";
import { Compare } from "./compare";
import { useStore } from "./context";
import { Failures } from "./failures";
import { Flaky } from "./flaky";
import { Overview } from "./overview";
import { Slowest } from "./slowest";
import { Tests } from "./tests";
import { Timeline } from "./timeline";

type View = (props: { run: Run; open: OpenRun }) => ComponentChildren;

export const VIEWS: { key: string; title: string; view: View }[] = [
    { key: "overview", title: "Overview", view: Overview },
    { key: "tests", title: "Tests", view: Tests },
    { key: "failures", title: "Failures", view: Failures },
    { key: "timeline", title: "Timeline", view: Timeline },
    { key: "slowest", title: "Slowest", view: Slowest },
    { key: "flaky", title: "Flaky", view: Flaky },
    // A report holds one run.
    ...(import.meta.env.MODE === "report" ? [] : [{ key: "compare", title: "Compare", view: Compare }]),
];

export const viewKey = (): string => (VIEWS.find(({ key }) => key === address.value.view) ?? VIEWS[0]!).key;

export function RunPage({ id }: { id: string }) {
    const store = useStore();
    const run = store.run(id);
    const key = viewKey();
    // What the run says is not made anew at each keystroke in a filter.
    const head = useMemo(() => run && <RunHead run={run} />, [run]);
    const more = run && store.tests(id).more.value;
    const tabs = useMemo(() => run && <Tabs run={run} more={more} current={key} />, [run, more, key]);
    if (!run)
        return store.ready.value ? (
            <Empty title="This run is not here" level="h1">
                <p>It may have been removed.</p>
                <p>
                    <a href="#">All runs</a>
                </p>
            </Empty>
        ) : (
            <Loading />
        );
    const open = store.tests(id);
    const View = VIEWS.find((view) => view.key === key)!.view;
    return (
        <>
            {head}
            {tabs}
            <Trouble text={open.error.value} />
            {open.loaded.value || open.error.value ? <View key={key} run={run} open={open} /> : <Loading />}
        </>
    );
}

/** How long it has been going on, by the receiver's clock: the sender's may be off. */
function elapsed(run: Run, now: number): number {
    return run.state === "running" ? run.duration + Math.max(0, now - run.heard) : run.duration;
}

function RunHead({ run }: { run: Run }) {
    const store = useStore();
    const running = run.state === "running";
    return (
        <header class="run-head">
            <div class="run-title">
                <h1>
                    {run.service || run.name}
                    {run.name && run.name !== run.service && <small> {run.name}</small>}
                </h1>
                <StateBadge run={run} />
                <span class="grow" />
                <span class="run-time">
                    <b>{duration(elapsed(run, store.now.value))}</b>
                    {running && run.left !== null && <span class="dim"> {duration(run.left)} left</span>}
                    {running && run.rate > 0 && (
                        <span class="dim">
                            {" "}
                            {run.rate < 10 ? run.rate.toFixed(1) : say(Math.round(run.rate))} tests/s
                        </span>
                    )}
                </span>
            </div>
            <CountBar run={run} />
            <div class="run-line">
                <Counts run={run} />
                <span class="grow" />
                {run.branch && <span class="ref">{run.branch}</span>}
                {run.commit && (
                    <span class="mono dim" title={run.commit}>
                        {run.commit.slice(0, 8)}
                    </span>
                )}
                {run.url && <Outside url={run.url}>CI job</Outside>}
                <span class="dim" title={moment(run.start)}>
                    {moment(run.start)}
                </span>
            </div>
            {run.why && (
                <p class="why" role="status">
                    {run.why}
                </p>
            )}
        </header>
    );
}

function Counts({ run }: { run: Run }) {
    const all = run.collected ?? run.done;
    return (
        <span class="counts" data-tests={run.tests}>
            {ordered(run.counts).map(([outcome, n]) => (
                <a
                    key={outcome}
                    class={`count ${tone(outcome)}`}
                    href={link({ run: run.id, view: "tests", q: `outcome:${outcome}` })}
                >
                    <Sign outcome={outcome} />
                    <b>{say(n)}</b> {outcome}
                </a>
            ))}
            <span class="dim">
                {run.state === "running" || run.done < all ? `${say(run.done)} of ${tests(all)}` : tests(all)}
                {run.deselected > 0 && `, ${say(run.deselected)} deselected`}
                {run.workers > 0 && `, ${plural(run.workers, "worker")}`}
            </span>
        </span>
    );
}

function Tabs({ run, more, current }: { run: Run; more: RunMore | undefined; current: string }) {
    const bad = Object.entries(run.counts).reduce((sum, [outcome, n]) => sum + (isBad(outcome) ? n : 0), 0);
    const numbers: Record<string, number> = { tests: run.tests, failures: bad + problems(more).length };
    return (
        <nav class="tabs" aria-label="Views of the run">
            {VIEWS.map(({ key, title }, i) => (
                <a
                    key={key}
                    href={link({ run: run.id, view: key })}
                    aria-current={key === current ? "page" : undefined}
                    title={`${title} (${i + 1})`}
                >
                    {title}
                    {numbers[key] ? <small>{say(numbers[key]!)}</small> : null}
                </a>
            ))}
        </nav>
    );
}
