import { printable, table } from '../terminal.ts';
import type { Screen } from '../terminal.ts';
import type { Explanation } from './explain.ts';

const words = { Well: 'as it should be', Waiting: 'on its way', Person: 'needs you' } as const;
const colours = { Well: 'green', Waiting: 'yellow', Person: 'red' } as const;

/** For a person, the cause and the command last, where the eye is. */
export function renderExplanation(it: Explanation, { paint }: Pick<Screen, 'paint'>): string[] {
  const wentBack = it.standing === 'Well' && it.cause.evidence === true;
  const state = paint(colours[it.standing], wentBack ? 'well, after an upgrade went back' : words[it.standing]);
  const links = it.chain.map((link) => [
    `  ${link.object}`,
    link.reason,
    it.chain.length === 1 ? '' : first(link.message),
  ]);
  return [
    `${paint('bold', it.object)}${it.namespace === undefined ? '' : ` in ${it.namespace}`}: ${state}`,
    '',
    ...table([
      ['Asked', it.asked],
      ['Runs', it.runs],
    ]),
    ...(it.standing === 'Well' && it.chain.length === 1 ? [] : ['', ...table(links)]),
    '',
    ...table([
      [
        it.standing === 'Well' && !wentBack ? 'State' : 'Cause',
        `${it.cause.reason} (${it.cause.object}): ${printable(withoutReason(it.cause))}`,
      ],
      ['Next', it.next],
      ['Do', paint('bold', it.command)],
    ]),
    ...(it.unseen.length === 0 ? [] : ['', `You may not list ${it.unseen.join(', ')}: the cause may be there.`]),
  ];
}

/** Messages of halts and of conditions that repeat others name the reason again. */
const withoutReason = ({ reason, message }: { reason: string; message: string }) =>
  message.replace(`${reason}: `, () => '');

/** The beginning of a message, which is whole below when it is the cause. */
const first = (message: string) => {
  const text = printable(message);
  return text.length <= 90 ? text : `${text.slice(0, 89)}…`;
};
