import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeInstance {
  readonly id: string;
  address?: string;
  zone?: string;
  /** EC2's word; undefined: EC2 does not know it any more */
  state: string | undefined;
  group?: string;
  lifeCycle?: string;
}

class Refusal extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** An answer, by the action that is asked for. */
type Answers = Record<string, (asked: URLSearchParams) => string>;

/** EC2's and Auto Scaling's Query protocols on the loopback address: what the SDK's real clients are told. */
export class CloudServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly instances = new Map<string, FakeInstance>();
  /** name → how many it is to have */
  readonly groups = new Map<string, number>();
  /** `action parameters` of each request */
  readonly asked: { readonly action: string; readonly parameters: URLSearchParams }[] = [];
  /** an error's code for each action that has one: `*` for all */
  readonly refused = new Map<string, { readonly code: string; readonly status: number }>();
  /** whether it takes requests and says nothing */
  hangs = false;
  /** ms that its clock is ahead */
  ahead = 0;
  /** groups, or instances, in one answer */
  pageSize = Infinity;
  readonly #server: ReturnType<typeof createServer>;
  readonly #atEnd: (() => void)[] = [];

  private constructor(server: ReturnType<typeof createServer>) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request, response) => void this.#answer(request, response));
  }

  static async open(): Promise<CloudServer> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new CloudServer(server);
  }

  /** The SDK's own variables lead here, with credentials that are none. */
  pointAt(env: NodeJS.ProcessEnv = process.env): void {
    const variables = {
      AWS_ENDPOINT_URL: this.endpoint,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'none',
      AWS_EC2_METADATA_DISABLED: 'true',
    };
    Object.assign(env, variables);
    // other tests of this process have their own
    this.#atEnd.push(() => {
      for (const name of Object.keys(variables)) delete env[name];
    });
  }

  launch(instance: FakeInstance): FakeInstance {
    const {
      group,
      lifeCycle = 'InService',
      address = `10.0.0.${this.instances.size + 1}`,
      zone = 'eu-central-1a',
    } = instance;
    if (group !== undefined && !this.groups.has(group)) this.groups.set(group, 3);
    const launched = { ...instance, ...(group ? { lifeCycle } : {}), address, zone };
    this.instances.set(instance.id, launched);
    return launched;
  }

  count(action: string): number {
    return this.asked.filter((one) => one.action === action).length;
  }

  readonly #answers: Answers = {
    DescribeAutoScalingGroups: (asked) => {
      const wanted = listed(asked, /^AutoScalingGroupNames\.member\.\d+$/);
      const names = [...this.groups.keys()].filter((name) => wanted.includes(name));
      const { page, next } = this.#paged(names, asked);
      const members = page.map((name) => {
        const inside = [...this.instances.values()].filter(({ group }) => group === name);
        const instances = inside.map(
          ({ id, zone, lifeCycle }) =>
            `<member>${xml({ InstanceId: id, AvailabilityZone: zone, LifecycleState: lifeCycle, HealthStatus: 'Healthy', ProtectedFromScaleIn: 'false' })}</member>`,
        );
        const own = xml({ AutoScalingGroupName: name, DesiredCapacity: this.groups.get(name), MinSize: 0, MaxSize: 9 });
        return `<member>${own}<Instances>${instances.join('')}</Instances></member>`;
      });
      return `<AutoScalingGroups>${members.join('')}</AutoScalingGroups>${xml({ NextToken: next })}`;
    },
    DescribeAutoScalingInstances: (asked) => {
      const wanted = listed(asked, /^InstanceIds\.member\.\d+$/);
      const found = [...this.instances.values()].filter(({ id, group }) => group !== undefined && wanted.includes(id));
      const members = found.map(
        ({ id, group, lifeCycle }) =>
          `<member>${xml({ InstanceId: id, AutoScalingGroupName: group, LifecycleState: lifeCycle })}</member>`,
      );
      return `<AutoScalingInstances>${members.join('')}</AutoScalingInstances>`;
    },
    CompleteLifecycleAction: (asked) => this.#tellHook(asked, asked.get('LifecycleActionResult')!),
    RecordLifecycleActionHeartbeat: (asked) => this.#tellHook(asked, 'heartbeat'),
    SetInstanceProtection: (asked) => {
      this.told.push(`protect ${asked.get('InstanceIds.member.1')} ${asked.get('ProtectedFromScaleIn')}`);
      return '';
    },
    DescribeInstances: (asked) => {
      const wanted = listed(asked, /^Filter\.1\.Value\.\d+$/);
      const known = [...this.instances.values()].filter(({ id, state }) => state !== undefined && wanted.includes(id));
      const { page, next } = this.#paged(known, asked);
      const items = page.map(({ id, state, address, zone }) => {
        const where = state === 'terminated' ? {} : { privateIpAddress: address };
        const own = xml({ instanceId: id, ...where });
        return `<item><instancesSet><item>${own}<instanceState>${xml({ code: 0, name: state })}</instanceState><placement>${xml({ availabilityZone: zone })}</placement></item></instancesSet></item>`;
      });
      return `<reservationSet>${items.join('')}</reservationSet>${xml({ nextToken: next })}`;
    },
  };

  /** `id hook` of what waits for an answer now */
  readonly waiting = new Set<string>();
  /** `hook id RESULT`, and heartbeats */
  readonly told: string[] = [];

  #tellHook(asked: URLSearchParams, what: string): string {
    const [id, hook] = [asked.get('InstanceId')!, asked.get('LifecycleHookName')!];
    if (!this.waiting.has(`${id} ${hook}`))
      throw new Refusal('ValidationError', `No active Lifecycle Action found with instance ID ${id}`);
    this.told.push(`${hook} ${id} ${what}`);
    if (what !== 'heartbeat') this.waiting.delete(`${id} ${hook}`);
    return '';
  }

  #paged<T>(all: readonly T[], asked: URLSearchParams): { page: readonly T[]; next: string | undefined } {
    const from = Number(asked.get('NextToken') ?? 0);
    const to = from + this.pageSize;
    return { page: all.slice(from, to), next: to < all.length ? String(to) : undefined };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const part of request) body += String(part);
    if (this.hangs) return;
    const target = request.headers['x-amz-target'];
    if (target !== undefined) return this.#answerJson(String(target), body, request, response);
    if (request.method === 'GET') return this.#answerObject(request, response);
    const parameters = new URLSearchParams(body);
    const action = parameters.get('Action') ?? '';
    this.asked.push({ action, parameters });
    const isEc2 = parameters.get('Version') === '2016-11-15';
    const now = Date.now() + this.ahead;
    response.setHeader('date', new Date(now).toUTCString());
    const scope = new RegExp(
      `^AWS4-HMAC-SHA256 Credential=[^/]+/\\d{8}/[^/]+/${isEc2 ? 'ec2' : 'autoscaling'}/aws4_request`,
    );
    const refuse = (code: string, status: number, message = `${action} is refused by the test`): void => {
      const error = `<Code>${code}</Code><Message>${message}</Message>`;
      const text = isEc2
        ? `<Response><Errors><Error>${error}</Error></Errors><RequestID>r</RequestID></Response>`
        : `<ErrorResponse><Error><Type>Sender</Type>${error}</Error><RequestId>r</RequestId></ErrorResponse>`;
      response.writeHead(status, { 'content-type': 'text/xml' }).end(text);
    };
    if (!scope.test(request.headers.authorization ?? '')) return refuse('AuthFailure', 401, 'the signature is none');
    if (Math.abs(signedAt(request) - now) > 300_000) return refuse('RequestExpired', 400, 'Request has expired.');
    const refused = this.refused.get(action) ?? this.refused.get('*');
    if (refused) return refuse(refused.code, refused.status);
    const answer = this.#answers[action];
    if (!answer) return refuse('InvalidAction', 400);
    let inner: string;
    try {
      inner = answer(parameters);
    } catch (error) {
      return refuse((error as Refusal).code, 400, (error as Refusal).message);
    }
    const text = isEc2
      ? `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">${inner}</${action}Response>`
      : `<${action}Response xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><${action}Result>${inner}</${action}Result></${action}Response>`;
    response.writeHead(200, { 'content-type': 'text/xml' }).end(text);
  }

  /** by the service's own name of them */
  readonly secrets = new Map<string, string>();
  /** of CloudWatch, by name: their states */
  readonly alarms = new Map<string, { readonly kind: 'MetricAlarm' | 'CompositeAlarm'; state: string }>();

  /** SSM, Secrets Manager, KMS and CloudWatch. */
  #answerJson(target: string, body: string, request: IncomingMessage, response: ServerResponse): void {
    const asked = JSON.parse(body) as AskedInJson;
    const action = target.split('.')[1]!;
    this.asked.push({ action, parameters: new URLSearchParams() });
    const say = (status: number, answer: object): void =>
      void response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(answer));
    const now = Date.now() + this.ahead;
    response.setHeader('date', new Date(now).toUTCString());
    const isExpired = Math.abs(signedAt(request) - now) > 300_000;
    const refused = isExpired ? { code: 'InvalidSignatureException', status: 400 } : this.refused.get(action);
    const found = this.secrets.get(asked.Name ?? asked.SecretId ?? '');
    const missing = asked.Name === undefined ? 'ResourceNotFoundException' : 'ParameterNotFound';
    const bytes = Buffer.from(asked.Plaintext ?? asked.CiphertextBlob ?? '', 'base64');
    // no cipher, but what it makes is nobody's plain text
    const other = Buffer.from(bytes.map((byte) => byte ^ 0x5a)).toString('base64');
    if (refused) say(refused.status, { __type: refused.code, message: `${action} is refused by the test` });
    else if (asked.AlarmNames) say(200, this.#alarmsAmong(asked.AlarmNames, asked.AlarmTypes));
    else if (asked.KeyId !== undefined)
      say(200, { KeyId: asked.KeyId, [action === 'Encrypt' ? 'CiphertextBlob' : 'Plaintext']: other });
    else if (found === undefined) say(400, { __type: missing, message: 'no such thing' });
    else if (asked.Name !== undefined)
      say(200, { Parameter: { Name: asked.Name, Value: asked.WithDecryption ? found : 'ciphertext' } });
    else say(200, { ARN: 'arn', Name: asked.SecretId, SecretString: found });
  }

  #alarmsAmong(names: readonly string[], types: readonly string[] = ['MetricAlarm']): object {
    const found = (wanted: string): object[] =>
      [...this.alarms]
        .filter(([name, { kind }]) => names.includes(name) && kind === wanted && types.includes(wanted))
        .map(([name, { state }]) => ({ AlarmName: name, StateValue: state, StateReason: 'by the test' }));
    return { MetricAlarms: found('MetricAlarm'), CompositeAlarms: found('CompositeAlarm') };
  }

  /** S3, path-style. */
  #answerObject({ url = '' }: IncomingMessage, response: ServerResponse): void {
    const found = this.secrets.get(`s3:/${url.replace(/\?.*$/, '')}`);
    if (found === undefined)
      response.writeHead(404, { 'content-type': 'application/xml' }).end('<Error><Code>NoSuchKey</Code></Error>');
    else response.writeHead(200, { etag: '"1"', 'content-length': Buffer.byteLength(found) }).end(found);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#atEnd) end();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

interface AskedInJson {
  readonly Name?: string;
  readonly WithDecryption?: boolean;
  readonly SecretId?: string;
  readonly AlarmNames?: readonly string[];
  readonly AlarmTypes?: readonly string[];
  readonly KeyId?: string;
  readonly Plaintext?: string;
  readonly CiphertextBlob?: string;
}

/** `20261125T163900Z` in ms. */
function signedAt({ headers }: IncomingMessage): number {
  const text = String(headers['x-amz-date']);
  return Date.parse(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function listed(asked: URLSearchParams, name: RegExp): string[] {
  return [...asked].filter(([key]) => name.test(key)).map(([, value]) => value);
}

function xml(fields: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return given.map(([name, value]) => `<${name}>${value}</${name}>`).join('');
}
