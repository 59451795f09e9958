/** What an instance does when it boots for the first time. */
export interface Boot {
  readonly region: string;
  /** of host names of AWS's services: `amazonaws.com` unless said, another one in China */
  readonly domain?: string;
  readonly software: {
    readonly bucket: string;
    readonly key: string;
    readonly sha256: string;
    readonly kind: 'deb' | 'rpm';
  };
  /** the text of /etc/quorate/quorate.yaml */
  readonly settings: string;
}

/** SHA-256 of nothing: a download sends no body. */
const NO_BODY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** Commands for `/bin/sh`, to be run as root. They install the package that has the SHA-256 and no other, write the settings, and start the agent. */
export function bootCommands({ region, domain = 'amazonaws.com', software, settings }: Boot): string[] {
  const { bucket, key, sha256, kind } = software;
  return [
    'set -eu',
    'install -d -m 0755 /etc/quorate',
    `cat >/etc/quorate/quorate.yaml <<'QUORATE'\n${settings.trimEnd()}\nQUORATE`,
    // the role's own short-lived credentials, by IMDSv2
    'imds=http://169.254.169.254/latest',
    `token=$(curl -sSf --retry 10 -X PUT -H 'x-aws-ec2-metadata-token-ttl-seconds: 300' $imds/api/token)`,
    'metadata() { curl -sSf --retry 10 -H "x-aws-ec2-metadata-token: $token" "$imds/meta-data/$1"; }',
    'role=$(metadata iam/security-credentials/)',
    'credentials=$(metadata "iam/security-credentials/$role")',
    `field() { printf %s "$credentials" | sed -n 's/.*"'"$1"'" *: *"\\([^"]*\\)".*/\\1/p'; }`,
    `package=$(mktemp -d)/quorate.${kind}`,
    [
      // an S3 that says nothing is asked again, as one that refuses is: the launching hook gives all of it 15 minutes
      `curl -sSf --retry 10 --retry-all-errors --connect-timeout 10 --speed-limit 1 --speed-time 30 -o "$package" --aws-sigv4 'aws:amz:${region}:s3'`,
      '--user "$(field AccessKeyId):$(field SecretAccessKey)" -H "x-amz-security-token: $(field Token)"',
      // S3 asks for it, and curl before 8 (Debian 12) does not add it by itself
      `-H 'x-amz-content-sha256: ${NO_BODY}'`,
      `"\${AWS_ENDPOINT_URL_S3:-\${AWS_ENDPOINT_URL:-https://s3.${region}.${domain}}}/${bucket}/${key}"`,
    ].join(' '),
    `echo '${sha256}  '"$package" | sha256sum -c --quiet -`,
    kind === 'rpm'
      ? 'dnf install -y -q "$package"'
      : 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y "$package"',
    'systemctl enable --now quorate',
  ];
}
