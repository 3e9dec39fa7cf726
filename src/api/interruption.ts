import { z } from 'zod';
import { time } from './meta.ts';

export const interruption = z
  .object({
    podUID: z.string().max(64).describe('The last of these Pods.'),
    podHash: z.string().max(64).optional().describe('What these Pods were made for.'),
    count: z.int().min(1).describe('Pods in a row.'),
    time: time.describe('When the last one was seen to have ended.'),
    retryTime: time.describe('No further Pod is made before this time.'),
    reason: z.string().max(128).describe('Why the last one ended, in one word.'),
    message: z.string().max(1024).describe('Why the last one ended.'),
  })
  .describe('Pods that ended, or could not start, for a reason that says nothing about the image.');

export type Interruption = z.output<typeof interruption>;
