import { z } from 'zod';
import { atomicList, cel, listMap, quantity } from '../meta.ts';

/** Parts of a Pod that our kinds offer under the same names and with the same meaning as in a Pod's container. */

export const intOrString: z.ZodType<number | string> = z.any().meta({ 'x-kubernetes-int-or-string': true });
/** A piece of PodSpec that is handed on as it is; the API server checks it when the Pod is tried. */
export const podPiece: z.ZodType<Record<string, unknown>> = z
  .any()
  .meta({ type: 'object', 'x-kubernetes-preserve-unknown-fields': true });

const optional = z.boolean().optional().describe('true: the container starts also when it does not exist.');
const keyReference = (kind: string) =>
  z
    .object({
      name: z.string().min(1).max(253).describe(`Name of the ${kind}, in the namespace of the container.`),
      key: z.string().min(1).max(253).describe(`Key of the ${kind} that has the value.`),
      optional,
    })
    .describe(`One key of a ${kind}.`);
const port = intOrString.describe('Number or name of a port.');

export const envVar = z.object({
  // As Kubernetes: what a shell cannot name, such as an exported function of bash, is a variable too.
  name: z
    .string()
    .min(1)
    .max(253)
    .regex(/^[ -<>-~]+$/)
    .describe('Name of the variable.'),
  value: z.string().max(32768).optional().describe('Value; $(NAME) is replaced by that of an earlier variable.'),
  valueFrom: z
    .object({
      secretKeyRef: keyReference('Secret').optional(),
      configMapKeyRef: keyReference('ConfigMap').optional(),
      fieldRef: z
        .object({
          apiVersion: z.string().max(63).optional().describe('Version of the schema of fieldPath; v1 by default.'),
          fieldPath: z.string().max(253).describe('Path of the field, such as metadata.name or status.podIP.'),
        })
        .optional()
        .describe('A field of the Pod.'),
      resourceFieldRef: z
        .object({
          containerName: z.string().max(63).optional().describe('Container of the Pod: main, which is the default.'),
          resource: z.string().max(253).describe('Resource, such as limits.memory or requests.cpu.'),
          divisor: quantity.optional().describe('Unit in which the value is given, such as 1Mi; 1 by default.'),
        })
        .optional()
        .describe('An amount of a resource of the container.'),
    })
    .optional()
    .describe('Where the value comes from, instead of value.'),
});
export const env = z
  .array(envVar)
  .max(256)
  .meta({ ...listMap('name'), description: 'Environment of the command, as in a Pod.' });

/** Environment from an untrusted party, such as an archive: values only, so that it can name no Secret of whoever runs it. */
export const literalEnv = z
  .array(envVar.pick({ name: true, value: true }))
  .max(256)
  .meta({ ...listMap('name'), description: 'Environment of the command: literal values only.' });
/** Environment of an image in the words of who maintains it: that is not who owns the Secrets and ConfigMaps where it runs. */
export const imageEnv = env.meta({
  ...listMap('name'),
  ...cel({
    rule: 'self.all(e, !has(e.valueFrom) || has(e.valueFrom.fieldRef) || has(e.valueFrom.resourceFieldRef))',
    message:
      'env of an image must not name a Secret or ConfigMap: they would be those of every namespace in which it runs; set it in the HostedContainer',
  }),
  description: 'Environment of the command, as in a Pod, but without Secrets and ConfigMaps.',
});

/** Capabilities that Pod Security `baseline` allows to add. */
export const baselineCapabilities = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
] as const;
/** Those that a cluster may allow besides. None reads the disk of a node or reaches the root that others share. */
export const additionalCapabilities = ['IPC_LOCK', 'NET_ADMIN', 'NET_RAW', 'SYS_NICE'] as const;

const envSource = (kind: string) =>
  z
    .object({
      name: z.string().min(1).max(253).describe(`Name of the ${kind}, in the namespace of the container.`),
      optional,
    })
    .describe(`A ${kind} of which each key becomes a variable.`);
export const envFrom = z
  .array(
    z.object({
      prefix: z.string().max(253).optional().describe('Put before each key to make the name of the variable.'),
      secretRef: envSource('Secret').optional(),
      configMapRef: envSource('ConfigMap').optional(),
    }),
  )
  .max(64)
  .meta({ ...atomicList, description: 'Sources of environment, as in a Pod.' });

export const ports = z
  .array(
    z.object({
      name: z
        .string()
        .max(15)
        .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/)
        .optional()
        .describe('Name that a Service or a probe can use instead of the number.'),
      containerPort: z.int().min(1).max(65535).describe('Port on which the command listens.'),
      protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP').describe('Protocol of the port.'),
    }),
  )
  .max(64)
  .meta({ ...listMap('containerPort', 'protocol'), description: 'Ports, as in a Pod.' });

const quantities = z.record(z.string(), intOrString).describe('Amounts by resource name, as in a Pod.');
export const resources = z
  .object({ requests: quantities.optional(), limits: quantities.optional() })
  .describe('Resources, as in a Pod. Memory must also hold the memory overlays in use.');

const probeFields = z.object({
  exec: z
    .object({
      command: z
        .array(z.string().max(4096))
        .max(64)
        .meta(atomicList)
        .describe('Program and arguments, without a shell; run in the container as root.'),
    })
    .optional()
    .describe('It passes when the command exits with 0.'),
  httpGet: z
    .object({
      path: z.string().max(2048).optional().describe('Path that is asked for; / by default.'),
      port,
      host: z.string().max(253).optional().describe('Not allowed: it would be asked from the network of the node.'),
      scheme: z
        .enum(['HTTP', 'HTTPS'])
        .optional()
        .describe('HTTP by default. The certificate of HTTPS is not verified.'),
      httpHeaders: z
        .array(
          z.object({
            name: z.string().max(253).describe('Name of the header.'),
            value: z.string().max(4096).describe('Value of the header.'),
          }),
        )
        .max(64)
        .meta(atomicList)
        .optional()
        .describe('Headers that are sent besides.'),
    })
    .optional()
    .describe('It passes when a GET is answered with a status from 200 to 399.'),
  tcpSocket: z
    .object({
      port,
      host: z.string().max(253).optional().describe('Not allowed: it would be asked from the network of the node.'),
    })
    .optional()
    .describe('It passes when the port takes a connection.'),
  grpc: z
    .object({
      port: z.int().min(1).max(65535).describe('Number of the port.'),
      service: z.string().max(253).optional().describe('Service of the health check; the whole server by default.'),
    })
    .optional()
    .describe('It passes when the gRPC health check of the server says SERVING.'),
  initialDelaySeconds: z
    .int()
    .min(0)
    .max(86400)
    .optional()
    .describe('Seconds from the start of the container to the first probe; 0 by default.'),
  periodSeconds: z.int().min(1).max(86400).optional().describe('Seconds from one probe to the next; 10 by default.'),
  timeoutSeconds: z
    .int()
    .min(1)
    .max(86400)
    .optional()
    .describe('Seconds until a probe counts as failed; 1 by default.'),
  successThreshold: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe('Successes in a row that count after a failure; 1 by default, and always for liveness and startup.'),
  failureThreshold: z.int().min(1).max(1000).optional().describe('Failures in a row that count; 3 by default.'),
  terminationGracePeriodSeconds: z
    .int()
    .min(1)
    .max(86400)
    .optional()
    .describe('Seconds that the container has to stop when this probe fails; that of the Pod by default.'),
});

const probeRules = [
  {
    rule: '[has(self.exec), has(self.httpGet), has(self.tcpSocket), has(self.grpc)].filter(x, x).size() == 1',
    message: 'exactly one of exec, httpGet, tcpSocket and grpc must be set',
  },
  {
    rule: '!(has(self.httpGet) && has(self.httpGet.host)) && !(has(self.tcpSocket) && has(self.tcpSocket.host))',
    message: 'a probe must not name a host: the kubelet would ask it from the network of the node',
  },
];
const description = 'A probe, as in a Pod.';

/** What fails here stops no container. */
export const readinessProbe = probeFields.meta({
  description,
  ...cel(...probeRules, {
    rule: '!has(self.terminationGracePeriodSeconds)',
    message: 'a readinessProbe stops no container: terminationGracePeriodSeconds must not be set',
  }),
});

/** Of livenessProbe and startupProbe. */
export const probe = probeFields.meta({
  description,
  ...cel(...probeRules, {
    rule: '!has(self.successThreshold) || self.successThreshold == 1',
    message: 'one success is enough for livenessProbe and startupProbe: successThreshold must be 1 or unset',
  }),
});

export const toleration = z.object({
  key: z.string().max(317).optional().describe('Key of the taint; all keys when unset, with operator Exists.'),
  operator: z
    .enum(['Exists', 'Equal'])
    .optional()
    .describe('Exists: whatever the value is. Equal, the default: the value must be the same.'),
  value: z.string().max(63).optional().describe('Value of the taint, with operator Equal.'),
  effect: z
    .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
    .optional()
    .describe('Effect of the taint; all effects when unset.'),
  tolerationSeconds: z.int().optional().describe('With NoExecute: how long it is tolerated; always when unset.'),
});
export type Toleration = z.output<typeof toleration>;
export const tolerations = z.array(toleration).max(64).meta(atomicList);

/**
 * A label selector that must say something: what clients without strict validation prune to nothing, as a plain map of labels,
 * must not come to mean everything.
 */
export const labelSelector = z
  .object({
    matchLabels: z
      .record(z.string(), z.string().max(63))
      .optional()
      .describe('Labels that must all have these values.'),
    matchExpressions: z
      .array(
        z
          .object({
            key: z.string().min(1).max(317).describe('Key of the label.'),
            operator: z
              .enum(['In', 'NotIn', 'Exists', 'DoesNotExist'])
              .describe('How the label relates to values; NotIn and DoesNotExist hold also without the label.'),
            values: z
              .array(z.string().max(63))
              .max(256)
              .meta(atomicList)
              .optional()
              .describe('Values of In and NotIn.'),
          })
          .meta(
            cel({
              rule: "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
              message: 'values must be set with In and NotIn, and only with them',
            }),
          ),
      )
      .max(64)
      .meta(atomicList)
      .optional()
      .describe('Conditions that must all hold besides.'),
  })
  .meta({
    description: 'A label selector: matchLabels, matchExpressions, or both. Leave it out to select everything.',
    ...cel({
      rule: '(has(self.matchLabels) && size(self.matchLabels) > 0) || (has(self.matchExpressions) && size(self.matchExpressions) > 0)',
      message:
        'a selector must have matchLabels or matchExpressions with at least one entry; to select everything, leave the selector out',
    }),
  });
export type LabelSelector = z.output<typeof labelSelector>;

/** Of Linux, by number from 1. Those of real time follow from 34. */
export const signalNames =
  'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS'.split(
    ' ',
  );
export const stopSignal = z
  .string()
  .max(12)
  .regex(new RegExp(`^SIG(${signalNames.join('|')}|RTMIN([+]([1-9]|1[0-5]))?)$`));

export const user = z
  .string()
  .max(67)
  .regex(/^([A-Za-z_][A-Za-z0-9_.-]{0,31}[$]?|[0-9]{1,10})(:([A-Za-z_][A-Za-z0-9_.-]{0,31}[$]?|[0-9]{1,10}))?$/);

/** What a container runs, as in a Pod's container. */
export const commandFields = {
  command: z
    .array(z.string().max(32768))
    .max(256)
    .meta(atomicList)
    .optional()
    .describe('Program; replaces the default.'),
  args: z.array(z.string().max(32768)).max(256).meta(atomicList).optional().describe('Arguments; replace the default.'),
  workingDir: z
    .string()
    .max(1024)
    .regex(/^\/[^:]*$/)
    .optional()
    .describe('Absolute path in which the command starts.'),
};

/** A path that an image asks to be written to; whether it can be is another question. */
export const volumePath = z
  .string()
  .max(255)
  .regex(/^(\/[^/:]+)+$/);
/** What an image says of how its command is run. */
export const imageFields = {
  ...commandFields,
  user: user.optional().describe('User, and group after a colon, that the command runs as.'),
  stopSignal: stopSignal.optional().describe('Signal that asks the command to stop, instead of SIGTERM.'),
};
export const imageVolumes = {
  volumes: z
    .array(volumePath)
    .max(64)
    .meta(atomicList)
    .optional()
    .describe('Directories that the image expects to be written to.'),
};

export const writablePath = z
  .string()
  .min(2)
  .max(255)
  .regex(/^(\/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,8}$/);
export const writable = z.object({
  path: writablePath.describe('Absolute path that becomes a memory overlay.'),
  size: quantity.describe('Most that the overlay can hold, 5Mi to 200Mi.').meta(
    cel({
      rule: "isQuantity(self) && quantity(self).compareTo(quantity('5Mi')) >= 0 && quantity(self).compareTo(quantity('200Mi')) <= 0",
      message: 'size must be a quantity between 5Mi and 200Mi',
    }),
  ),
});
export type Writable = z.output<typeof writable>;

/** Paths that other parts of the container need and that can therefore be no overlay. */
export const writableList = z
  .array(writable)
  .max(16)
  .meta({
    ...listMap('path'),
    ...cel({
      rule: "self.all(w, !['/dev', '/proc', '/sys', '/data', '/sw', '/usr', '/.monoroot'].exists(p, w.path == p || w.path.startsWith(p + '/')))",
      message: 'path must not be below /dev, /proc, /sys, /data, /sw, /usr or /.monoroot',
    }),
  });
