import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { dark } from "../state";

/** The colours of the style sheet for a canvas, which knows neither custom properties nor `light-dark()`. */
export function colours(names: string[]): Record<string, string> {
    const style = getComputedStyle(document.documentElement);
    const one = dark.value ? "$2" : "$1";
    const colour = (name: string) => style.getPropertyValue(`--${name}`).replace(/^light-dark\((.+?), ?(.+)\)$/, one);
    return Object.fromEntries(names.map((name) => [name, colour(name)]));
}

/** A context with the canvas's size in CSS pixels and the screen's resolution. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
    const ratio = devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext("2d")!;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
}

/** An element's width, as it changes. */
export function useWidth<T extends HTMLElement>() {
    const ref = useRef<T>(null);
    const [width, setWidth] = useState(0);
    useLayoutEffect(() => {
        const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
        observer.observe(ref.current!);
        setWidth(ref.current!.clientWidth);
        return () => observer.disconnect();
    }, []);
    return { ref, width };
}

/** Whether it is dark: reading it draws a canvas anew when the colours change. */
export const isDark = (): boolean => dark.value;
