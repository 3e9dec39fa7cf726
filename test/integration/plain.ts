import { readFileSync } from 'node:fs';
import { Agent, request } from 'undici';

/** What `writeKubeconfig` writes, as far as it is read here. */
interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
}

/** A GET with headers that our client never sends, as other clients do. Throws unless it is answered with 200. */
export async function getWithHeaders(
  kubeconfig: string,
  path: string,
  headers: Record<string, string>,
): Promise<string> {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as Kubeconfig;
  const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
  const plain = (base64 = '') => Buffer.from(base64, 'base64').toString();
  const connect = {
    ca: plain(cluster?.['certificate-authority-data']),
    cert: plain(user?.['client-certificate-data']),
    key: plain(user?.['client-key-data']),
  };
  const dispatcher = new Agent({ connect });
  try {
    const answer = await request(`${cluster?.server ?? ''}${path}`, { dispatcher, headers });
    const body = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`GET ${path}: ${answer.statusCode} ${body}`);
    return body;
  } finally {
    await dispatcher.close();
  }
}
