import "./style.css";
import { effect } from "@preact/signals";
import { render } from "preact";
import { dark, type Store, storedTheme, theme } from "./state";
import { App } from "./ui/app";

/** Show what a store has, and from then on what comes. */
export function show(store: Store): void {
    theme.value = storedTheme();
    // Before anything is drawn: a canvas asks the style for its colours.
    effect(() => void (document.documentElement.dataset.theme = dark.value ? "dark" : "light"));
    render(<App store={store} />, document.getElementById("app")!);
}
