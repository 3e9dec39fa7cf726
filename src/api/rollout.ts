import { z } from 'zod';
import { atomicList, cel, fixedImage, listMap, secretReference, time } from './meta.ts';
import { intOrString, labelSelector } from './kubernetes/podfields.ts';

/** How containers that follow the default version of an OS are moved to it. */

const countOrPercent = (field: string, least: number) =>
  intOrString.meta(
    cel({
      rule: `type(self) == int ? self >= ${least} : self.matches('^(${least === 0 ? '[0-9]' : '[1-9]'}|[1-9][0-9]|100)%$')`,
      message: `${field} must be a number from ${least} on, or a percentage such as 10%`,
    }),
  );

const url = z
  .string()
  .max(2048)
  .regex(/^https?:\/\/[^\s/]+\/?\S*$/);

const window = z.object({
  schedule: z
    .string()
    .min(9)
    .max(100)
    .regex(/^(\S+\s+){4}\S+$/)
    .describe('When it opens: five cron fields, minute hour day-of-month month day-of-week.'),
  durationSeconds: z.int().min(60).max(604800).describe('How long it is open.'),
  timeZone: z
    .string()
    .max(64)
    .regex(/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/)
    .default('UTC')
    .describe('Name of the time zone of the schedule, such as Australia/Sydney.'),
});
export type Window = z.output<typeof window>;

const gate = z
  .object({
    name: z
      .string()
      .max(63)
      .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
      .describe('Name of the gate, in conditions and events.'),
    prometheus: z
      .object({
        url: url.describe('Base URL of a server with the HTTP API of Prometheus.'),
        query: z
          .string()
          .min(1)
          .max(4096)
          .describe(
            'It holds when the answer is a scalar or a vector whose values are all other than 0; an empty answer does not.',
          ),
      })
      .optional()
      .describe('Ask a server with the HTTP API of Prometheus.'),
    webhook: z
      .object({
        url: url.describe(
          'URL that gets a POST with the state of the rollout as JSON; it holds when the answer is 2xx.',
        ),
      })
      .optional()
      .describe('Ask a web server.'),
    secretRef: secretReference
      .optional()
      .describe(
        'Secret with `token` (bearer), or `username` and `password` (basic), and the label `monoroot.dev/gate=true`.',
      ),
    caRef: secretReference
      .optional()
      .describe('Secret with `ca.crt`, the authorities of the server, and the label `monoroot.dev/gate=true`.'),
    intervalSeconds: z.int().min(1).max(3600).default(30).describe('How often it is asked during a soak.'),
    timeoutSeconds: z.int().min(1).max(60).default(10).describe('Longest time for an answer.'),
    failureLimit: z
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe('Gate failures tolerated during a soak. One more halts the rollout.'),
  })
  .meta(
    cel({
      rule: 'has(self.prometheus) != has(self.webhook)',
      message: 'exactly one of prometheus and webhook must be set',
    }),
  );
export type Gate = z.output<typeof gate>;

/** In CEL. */
const hasCanaries = "(type(self.canary.count) == int ? self.canary.count > 0 : self.canary.count != '0%')";

export const existingContainers = z
  .object({
    selector: labelSelector.optional().describe('Containers that are moved; all that follow the default when unset.'),
    maxUnavailable: countOrPercent('maxUnavailable', 1)
      .default('10%')
      .describe('Containers that may be unavailable at once, a number or a percentage of those that are selected.'),
    canary: z
      .object({
        count: countOrPercent('count', 0)
          .default(1)
          .describe('Containers that are moved first, a number or a percentage of those that are selected.'),
        soakSeconds: z
          .int()
          .min(0)
          .max(604800)
          .default(600)
          .describe('How long all of them must have run well before others are moved.'),
      })
      .prefault({})
      .describe('Who is moved first.'),
    maxFailures: z
      .int()
      .min(0)
      .max(10000)
      .default(1)
      .describe('Reverted containers tolerated. One more halts the rollout.'),
    waveSoakSeconds: z
      .int()
      .min(0)
      .max(604800)
      .default(0)
      .describe(
        'How long each later wave must have run well before the next one is moved; 0: places are filled as they get free.',
      ),
    gates: z
      .array(gate)
      .max(8)
      .meta({ ...listMap('name'), description: 'What must hold during each soak.' })
      .optional(),
    windows: z
      .array(window)
      .max(16)
      .meta({ ...atomicList, description: 'Containers are moved only while one of them is open; always when unset.' })
      .optional(),
    paused: z.boolean().default(false).describe('true: no further container is moved.'),
    onHalt: z
      .enum(['Stay', 'RevertAll'])
      .default('Stay')
      .describe(
        'When it halts, containers that run the new version well stay on it (Stay), or go back too (RevertAll).',
      ),
    retryToken: z
      .string()
      .max(253)
      .default('')
      .describe('Any change lets a halted rollout go on: what has failed before is tried again.'),
  })
  .meta({
    description: 'Also move the containers that follow the default version, in waves.',
    ...cel(
      {
        rule: `!has(self.gates) || size(self.gates) == 0 || ${hasCanaries} || self.waveSoakSeconds > 0`,
        message: 'gates are asked during soaks: there must be canaries or waveSoakSeconds',
      },
      {
        rule: `!has(self.gates) || !(${hasCanaries}) || self.gates.all(g, g.intervalSeconds <= self.canary.soakSeconds)`,
        message: 'canary.soakSeconds must not be shorter than intervalSeconds of a gate, which is asked during it',
      },
      {
        rule: '!has(self.gates) || self.waveSoakSeconds == 0 || self.gates.all(g, g.intervalSeconds <= self.waveSoakSeconds)',
        message: 'waveSoakSeconds must not be shorter than intervalSeconds of a gate, which is asked during it',
      },
    ),
  });
export type ExistingContainers = z.output<typeof existingContainers>;

export const containerCounts = z
  .object({
    following: z.int().min(0).describe('Containers that follow the default version and are selected.'),
    updated: z.int().min(0).describe('Of those, how many run the image well.'),
    updating: z.int().min(0).describe('Of those, how many are on their way to it.'),
    reverted: z.int().min(0).describe('Of those, how many failed with it.'),
    unavailable: z.int().min(0).describe('Of those, how many are not Ready, whatever the reason.'),
  })
  .describe('Containers that follow the default version.');

export const rolloutStatus = z
  .object({
    image: fixedImage.describe('Image that the containers are moved to.'),
    startTime: time.describe('When it began. Those that it has moved were assigned their image at this time or later.'),
    wave: z.int().min(0).describe('Number of the wave; 0 is the canaries.'),
    waveStartTime: time.optional().describe('When the wave began, where each wave soaks.'),
    blockedTime: time.optional().describe('Since when only containers that cannot take the image are left.'),
    soakStartTime: time.optional().describe('Since when all of the wave have run well.'),
    haltTime: time.optional().describe('When it halted.'),
    haltReason: z.string().max(128).optional().describe('Why it halted, in one word.'),
    haltMessage: z.string().max(4096).optional().describe('Why it halted, with an example.'),
    retryToken: z.string().max(253).optional().describe('existingContainers.retryToken that this rollout runs with.'),
    gates: z
      .array(
        z.object({
          name: z.string().max(63).describe('Name of the gate.'),
          holds: z.boolean().describe('true: it held when it was asked last.'),
          failures: z.int().min(0).describe('Failures in this soak.'),
          message: z.string().max(1024).optional().describe('What it answered.'),
          time: time.describe('When it was asked.'),
        }),
      )
      .max(8)
      .meta(listMap('name'))
      .optional()
      .describe('What the gates have answered in this soak.'),
    estimatedCompletionTime: time
      .optional()
      .describe('When it ends, as far as the operator can foresee; unset while it does not go on by itself.'),
    completionTime: time.optional().describe('When no container was left to move.'),
  })
  .describe('The rollout to existing containers.');
export type RolloutStatus = z.output<typeof rolloutStatus>;
