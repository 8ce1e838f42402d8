/** The direction rules of ARCHITECTURE.md. */
const only = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: { path: from },
  to: { path: '^src|^node:', pathNot: to },
});
const importer = (name, library, allowed) => ({
  name: `one-importer-${name}`,
  comment: `${name} stays behind ${allowed}.`,
  severity: 'error',
  from: { path: '^src', pathNot: allowed },
  to: { path: library },
});

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
    only('core-is-pure', 'The core imports nothing but itself.', '^src/lib/core', '^src/lib/core'),
    only('live-is-shared', 'Both ends share it.', '^src/lib/live', '^src/lib/(core|live|jobs/stages)'),
    only(
      'browser-rooms',
      'Nothing of the server reaches the browser.',
      '^src/lib/(client|components)',
      '^src/lib/(core|live|client|components|jobs/stages)',
    ),
    only(
      'features-know-no-edges',
      'Features write outbox rows.',
      '^src/lib/server/features',
      '^src/lib/(core|live|jobs/stages)|^src/lib/server/(?!realtime|api/)|^node:',
    ),
    importer('fluent-ffmpeg', 'node_modules/fluent-ffmpeg', '^src/lib/server/media/ffmpeg'),
    importer('lucia', 'node_modules/(lucia|@lucia-auth)', '^src/lib/server/auth/lucia'),
    importer('s3', 'node_modules/@aws-sdk/(client-s3|lib-storage|s3-request-presigner)', '^src/lib/server/storage/s3-store'),
    importer('cloudfront-signer', 'node_modules/@aws-sdk/cloudfront-signer', '^src/lib/server/storage/sign-url'),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.svelte'],
    },
  },
};
