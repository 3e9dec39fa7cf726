import { LocalAddressError } from '../../runtime/addresses.ts';
import { errorCode } from '../../system/errors.ts';
import { FetchError } from '../failure.ts';

/** Why a server's answer is no archive. The query of a URL is left out: it may hold a signature. */
export function statusFailure(status: number, url: URL): FetchError {
  const where = `${url.origin}${url.pathname}`;
  if (status === 401 || status === 403) {
    const message = `${url.host} refused the credentials with ${status} for ${where}; check the Secret that the source names`;
    return new FetchError('Unauthorized', message);
  }
  const advice = status === 404 ? 'upload the archive or correct the URL' : 'check the server';
  return new StatusError(status, `${url.host} answered ${status} for ${where}; ${advice}`);
}

/** The status that a server answered, if that is what failed. */
export const statusOf = (error: unknown): number | undefined =>
  error instanceof StatusError ? error.status : undefined;

class StatusError extends FetchError {
  readonly status: number;

  constructor(status: number, message: string) {
    super('HTTPStatus', message);
    this.status = status;
  }
}

/** Whether the next moment may heal it, so that a download that is under way waits for that. */
export function isPassing(failure: FetchError): boolean {
  if (failure instanceof StatusError) return failure.status >= 500 || [408, 429].includes(failure.status);
  return ['UnreachableSource', 'TruncatedArchive'].includes(failure.reason);
}

/** The bytes so far are not of the file that the server has now. */
export function sourceChanged(host: string, received: number): FetchError {
  const message = `${host} has another file than when its first ${received} bytes were downloaded`;
  return new FetchError('SourceChanged', `${message}; it is downloaded again`);
}

const certificate =
  /^(CERT_|ERR_TLS_CERT|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|INVALID_(CA|PURPOSE)|HOSTNAME_MISMATCH|ERR_OSSL_)/;
const idle = ['UND_ERR_BODY_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'];

/** What else is known about a connection that failed. */
interface Circumstances {
  /** The agent was configured to use proxies. */
  proxied?: boolean;
  /** How far the answer had come. */
  progress?: { received: number; totalBytes: number | undefined };
}

/** Why a server could not be asked, or with `progress` why the answer stopped in the middle. */
export function connectionFailure(error: unknown, host: string, { proxied, progress }: Circumstances = {}): FetchError {
  if (error instanceof LocalAddressError) {
    const message = `${host} is an address that only this machine, its node or its cloud can reach, so it was not asked; correct the source, see that its server leads to no such address, or name the server of the source in LOCAL_SOURCES of the agent`;
    return new FetchError('LocalAddress', message, { cause: error });
  }
  const code = errorCode(error) || 'error';
  if (certificate.test(code)) {
    const message = `The certificate of ${host} is not trusted (${code}); name the authority that signed it in caRef of the source`;
    return new FetchError('CertificateUntrusted', message, { cause: error });
  }
  const said = `${error instanceof Error ? error.message : String(error)} (${code})`;
  if (!progress) {
    const check = `check the URL, the server and the network of the node${proxied ? ', and the proxies of the agent' : ''}`;
    const message = `${host} cannot be reached: ${said}; ${check}`;
    return new FetchError('UnreachableSource', message, { cause: error });
  }
  const of = progress.totalBytes === undefined ? '' : ` of ${progress.totalBytes}`;
  const got = `after ${progress.received}${of} bytes`;
  if (idle.includes(code)) {
    const message = `${host} sent nothing more ${got}: ${said}; check the server and the network of the node`;
    return new FetchError('UnreachableSource', message, { cause: error });
  }
  return new FetchError('TruncatedArchive', `${host} ended ${got}: ${said}; check the server`, { cause: error });
}
