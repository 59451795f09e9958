import type { AutoScalingClient } from '@aws-sdk/client-auto-scaling';

/** An instance as EC2 describes it. */
export interface Ec2Instance {
  readonly instance: string;
  /** absent once it is terminated */
  readonly address?: string;
  readonly zone?: string;
  /** `pending`, `running`, `stopping`, `stopped`, `shutting-down`, `terminated` */
  readonly state: string;
}

/** What EC2 refuses, by its own code, in the shape of the SDK's errors. */
export class Ec2Error extends Error {
  readonly $metadata: { readonly httpStatusCode: number };

  constructor(code: string, message: string, httpStatusCode: number) {
    super(message);
    this.name = code;
    this.$metadata = { httpStatusCode };
  }
}

const VERSION = '2016-11-15';
/** EC2's bound for the values of a filter. */
const FILTER_VALUES = 200;
const PAGE = '1000';
/** ms that the service's clock may be off; above, what comes is signed by its time. EC2 refuses from 300,000 on. */
const SKEW_MS = 60_000;
const FORM = 'application/x-www-form-urlencoded; charset=utf-8';

/**
 * DescribeInstances alone, with all that is hard taken from the SDK: signing, connections, reading XML. The SDK's EC2 client has 700 more actions, takes
 * 97 MB of memory and a second to load (docs/dependencies.md).
 */
export class Ec2 {
  readonly #sdk: AutoScalingClient;
  /** ms that the service's clock is ahead of this machine's */
  #offset = 0;

  /** @param sdk another client of the same region: its credentials and connections are used */
  constructor(sdk: AutoScalingClient) {
    this.#sdk = sdk;
  }

  /**
   * Those of these that EC2 knows. Who is terminated stays in its answers for about an hour.
   * @throws Ec2Error; an Error of the network or of the credentials
   */
  async instances(ids: readonly string[], signal?: AbortSignal): Promise<Ec2Instance[]> {
    const found: Ec2Instance[] = [];
    for (let at = 0; at < ids.length; at += FILTER_VALUES) {
      const values = ids.slice(at, at + FILTER_VALUES);
      const filter = values.map((id, index): [string, string] => [`Filter.1.Value.${index + 1}`, id]);
      const about: [string, string][] = [['Filter.1.Name', 'instance-id'], ...filter, ['MaxResults', PAGE]];
      let next: string | undefined;
      do {
        const answer = await this.#describe(next ? [...about, ['NextToken', next]] : about, signal);
        found.push(...instancesOf(answer));
        next = answer.nextToken || undefined;
      } while (next);
    }
    return found;
  }

  async #describe(parameters: [string, string][], signal: AbortSignal | undefined): Promise<Answer> {
    const body = new URLSearchParams([['Action', 'DescribeInstances'], ['Version', VERSION], ...parameters]).toString();
    let answer = await this.#send(body, signal);
    // signing compares clocks (P6): the service's own answer tells how far this machine's is off
    if (answer.status !== 200 && this.#correct(answer.date)) answer = await this.#send(body, signal);
    if (answer.status !== 200) throw await errorOf(answer);
    return (await parsed(answer.text)).DescribeInstancesResponse as Answer;
  }

  /** @returns whether that changes anything */
  #correct(date: string | undefined): boolean {
    const offset = Date.parse(date ?? '') - Date.now();
    if (Number.isNaN(offset) || Math.abs(offset - this.#offset) < SKEW_MS) return false;
    this.#offset = offset;
    return true;
  }

  async #send(body: string, signal: AbortSignal | undefined): Promise<Sent> {
    const { SignatureV4 } = await import('@smithy/signature-v4');
    const { HttpRequest } = await import('@smithy/core/protocols');
    const { credentials, region, sha256, requestHandler } = this.#sdk.config;
    const { protocol, hostname, port, host, pathname: path } = await this.#endpoint();
    const request = new HttpRequest({
      method: 'POST',
      protocol,
      hostname,
      ...(port ? { port: Number(port) } : {}),
      path,
      headers: { host, 'content-type': FORM, 'content-length': String(Buffer.byteLength(body)) },
      body,
    });
    const signer = new SignatureV4({ service: 'ec2', region, credentials, sha256 });
    const signed = await signer.sign(request, { signingDate: new Date(Date.now() + this.#offset) });
    const { response } = await requestHandler.handle(new HttpRequest(signed), signal ? { abortSignal: signal } : {});
    const parts: Buffer[] = [];
    for await (const part of response.body as AsyncIterable<Buffer>) parts.push(part);
    return { status: response.statusCode, text: Buffer.concat(parts).toString('utf8'), date: response.headers.date };
  }

  /** By the SDK's own variables, or beside the endpoint of Auto Scaling in the same partition. */
  async #endpoint(): Promise<URL> {
    const { endpointProvider, region, useDualstackEndpoint, useFipsEndpoint } = this.#sdk.config;
    const said = process.env.AWS_ENDPOINT_URL_EC2 || process.env.AWS_ENDPOINT_URL;
    if (said) return new URL(said);
    const beside = endpointProvider({
      Region: await region(),
      UseDualStack: await useDualstackEndpoint(),
      UseFIPS: await useFipsEndpoint(),
    });
    return new URL(beside.url.href.replace('//autoscaling', '//ec2'));
  }
}

interface Sent {
  readonly status: number;
  readonly text: string;
  readonly date: string | undefined;
}

/** An element's children: one that occurs once is no list, and one that is empty is ''. */
type Item<T> = { readonly item?: T | readonly T[] } | '';
interface Answer {
  readonly nextToken?: string;
  readonly reservationSet?: Item<{ readonly instancesSet?: Item<Described> }>;
}
interface Described {
  readonly instanceId: string;
  readonly privateIpAddress?: string;
  readonly ipv6Address?: string;
  readonly instanceState: { readonly name: string };
  readonly placement?: { readonly availabilityZone?: string };
}

function listOf<T>(items: Item<T> | undefined): readonly T[] {
  const item = items ? items.item : undefined;
  return item === undefined ? [] : Array.isArray(item) ? item : [item as T];
}

function instancesOf({ reservationSet }: Answer): Ec2Instance[] {
  const described = listOf(reservationSet).flatMap(({ instancesSet }) => listOf(instancesSet));
  return described.map(({ instanceId, privateIpAddress, ipv6Address, instanceState, placement }) => {
    const address = privateIpAddress || ipv6Address;
    return {
      instance: instanceId,
      ...(address ? { address } : {}),
      ...(placement?.availabilityZone ? { zone: placement.availabilityZone } : {}),
      state: instanceState.name,
    };
  });
}

async function parsed(text: string): Promise<Record<string, unknown>> {
  const { parseXML } = await import('@aws-sdk/xml-builder');
  return parseXML(text) as Record<string, unknown>;
}

async function errorOf({ status, text }: Sent): Promise<Ec2Error> {
  type Refusal = { readonly Errors: { readonly Error: { readonly Code: string; readonly Message: string } } };
  try {
    const { Code, Message } = ((await parsed(text)).Response as Refusal).Errors.Error;
    return new Ec2Error(Code, Message, status);
  } catch {
    return new Ec2Error('NoAnswer', `the answer ${status} is none of EC2's`, status); // a proxy's page, or nothing
  }
}
