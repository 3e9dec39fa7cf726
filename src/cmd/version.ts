import { Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import manifest from '../../package.json' with { type: 'json' };

/** The version of this program, as package.json has it. */
export const packageVersion: string = manifest.version;

/** `monoroot_build_info`: always 1, with the version of the program as a label. */
export function registerBuildInfo(registry: Registry, component: 'operator' | 'agent' | 'web'): void {
  new Gauge({
    name: 'monoroot_build_info',
    help: 'Version of a program of Monoroot; always 1',
    labelNames: ['component', 'version'],
    registers: [registry],
  }).set({ component, version: packageVersion }, 1);
}
