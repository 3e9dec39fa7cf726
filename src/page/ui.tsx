import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { pathOf } from '../cli/dashboard/routes.ts';
import type { ObjectRef } from '../cli/dashboard/views.ts';
import { clock } from './store.ts';
import { rangeOf } from './window.ts';
import { since, span } from './words.ts';
import type { Sign } from './words.ts';

/** Small pieces that all views are made of. */

export const Badge = ({ of, children }: { of: Sign; children?: ComponentChildren }) => (
  <span class={`badge ${of.tone}`}>
    <span class="sign" aria-hidden="true">
      {of.sign}
    </span>
    {children ?? of.word}
  </span>
);

/** How long ago; the time itself when pointed at. */
export const Since = ({ time }: { time: string | undefined }) =>
  time === undefined ? null : (
    <time dateTime={time} title={local(time)}>
      {since(time, clock.value)}
    </time>
  );

/** How long until then. */
export const Until = ({ time }: { time: string }) => (
  <time dateTime={time} title={local(time)}>
    {Date.parse(time) <= clock.value ? 'over' : span(Date.parse(time) - clock.value)}
  </time>
);

export const local = (time: string): string =>
  new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

/** A command to type elsewhere: the page itself changes nothing. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <div class="command">
      <code>{text}</code>
      <button type="button" onClick={copy} aria-label={`Copy ${text}`}>
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}

export const Card = ({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) => (
  <section class="card">
    <header>
      <h2>{title}</h2>
      {aside !== undefined && <div class="aside">{aside}</div>}
    </header>
    {children}
  </section>
);

export const Empty = ({ title, children }: { title: string; children?: ComponentChildren }) => (
  <div class="empty">
    <p class="strong">{title}</p>
    {children !== undefined && <p>{children}</p>}
  </div>
);

export const ObjectLink = ({ to, children }: { to: ObjectRef; children?: ComponentChildren }) => (
  <a href={pathOf(to)}>{children ?? `${to.namespace === undefined ? '' : `${to.namespace}/`}${to.name}`}</a>
);

/** A part of a whole, with both in words beside it. */
export function Meter({ value, of, tone = 'good' }: { value: number; of: number; tone?: Sign['tone'] }) {
  const percent = of === 0 ? 0 : Math.min(100, (100 * value) / of);
  return (
    <span class="meter" role="img" aria-label={`${value} of ${of}`}>
      <span class={`fill ${tone}`} style={{ width: `${percent}%` }} />
    </span>
  );
}

interface VirtualProps<T> {
  rows: readonly T[];
  height: number;
  label: string;
  draw: (row: T, index: number) => ComponentChildren;
  keyOf: (row: T) => string;
}

/** The link of a list that is next to this one: above or below in the same place of its row, or beside it. */
function linkTowards(key: string, from: Element | null): HTMLElement | undefined {
  const row = from?.closest('[role=row]');
  if (!from || !row) return undefined;
  const linksOf = (of: Element | null) => [...(of?.querySelectorAll('a') ?? [])];
  const place = linksOf(row).findIndex((it) => it === from);
  const below = (of: Element | null) => linksOf(of)[place] ?? linksOf(of).at(-1);
  switch (key) {
    case 'ArrowDown':
      return below(row.nextElementSibling);
    case 'ArrowUp':
      return below(row.previousElementSibling);
    case 'ArrowRight':
      return linksOf(row)[place + 1];
    case 'ArrowLeft':
      return place > 0 ? linksOf(row)[place - 1] : undefined;
    default:
      return undefined;
  }
}

/** A list of any length: only the rows that can be seen are in the page. Arrow keys go from row to row. */
export function Virtual<T>({ rows, height, label, draw, keyOf }: VirtualProps<T>) {
  const place = useRef<HTMLDivElement>(null);
  const [range, setRange] = useState({ from: 0, to: 40 });
  useLayoutEffect(() => {
    const look = () => {
      const above = -(place.current?.getBoundingClientRect().top ?? 0);
      const next = rangeOf(rows.length, height, above, innerHeight);
      setRange((now) => (now.from === next.from && now.to === next.to ? now : next));
    };
    look();
    addEventListener('scroll', look, { passive: true });
    addEventListener('resize', look);
    return () => {
      removeEventListener('scroll', look);
      removeEventListener('resize', look);
    };
  }, [rows.length, height]);
  const step = (event: KeyboardEvent) => {
    const link = linkTowards(event.key, document.activeElement);
    if (!link) return;
    event.preventDefault();
    link.focus();
  };
  return (
    <div
      ref={place}
      class="virtual"
      role="rowgroup"
      aria-label={label}
      style={{ height: `${rows.length * height}px` }}
      onKeyDown={step}
    >
      {rows.slice(range.from, range.to).map((row, i) => (
        <div
          key={keyOf(row)}
          role="row"
          aria-rowindex={range.from + i + 2}
          class="row"
          style={{ transform: `translateY(${(range.from + i) * height}px)`, height: `${height}px` }}
        >
          {draw(row, range.from + i)}
        </div>
      ))}
    </div>
  );
}

/** Buttons of which one is chosen: a filter with how many each has. */
export function Chips<K extends string>({
  all,
  chosen,
  choose,
  label,
}: {
  all: readonly { key: K; sign: Sign; count: number }[];
  chosen: string;
  choose: (key: string) => void;
  label: string;
}) {
  return (
    <div class="chips" role="group" aria-label={label}>
      {all
        .filter(({ key, count }) => count > 0 || key === chosen)
        .map(({ key, sign, count }) => (
          <button
            key={key}
            type="button"
            class={`chip ${sign.tone}`}
            aria-pressed={chosen === key}
            onClick={() => choose(chosen === key ? '' : key)}
          >
            <span class="sign" aria-hidden="true">
              {sign.sign}
            </span>
            {sign.word} <b>{count.toLocaleString('en')}</b>
          </button>
        ))}
    </div>
  );
}
