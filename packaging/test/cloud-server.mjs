// What an instance meets at its first boot, on the machine's own addresses: the metadata service, and a bucket that gives a file to a signed request.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';

const [file] = process.argv.slice(2);
const CREDENTIALS = { Code: 'Success', AccessKeyId: 'AKIDTEST', SecretAccessKey: 'secret/of+test', Token: 'session==' };

createServer((request, response) => {
  const path = request.url.replace('/latest/', '');
  if (request.method === 'PUT' && path === 'api/token') return response.end('token');
  if (request.headers['x-aws-ec2-metadata-token'] !== 'token') return response.writeHead(401).end();
  if (path === 'meta-data/iam/security-credentials/') return response.end('role');
  if (path === 'meta-data/iam/security-credentials/role') return response.end(JSON.stringify(CREDENTIALS, null, 2));
  return response.writeHead(404).end();
}).listen(80, '169.254.169.254');

createServer((request, response) => {
  const { authorization = '', 'x-amz-security-token': session } = request.headers;
  const signed =
    /^AWS4-HMAC-SHA256 Credential=AKIDTEST\/\d{8}\/eu-central-1\/s3\/aws4_request, .*Signature=[0-9a-f]{64}$/;
  if (!signed.test(authorization) || session !== CREDENTIALS.Token) return response.writeHead(403).end();
  if (request.url !== '/packages/quorate.deb') return response.writeHead(404).end();
  return createReadStream(file).pipe(response);
}).listen(9000, '127.0.0.1');
