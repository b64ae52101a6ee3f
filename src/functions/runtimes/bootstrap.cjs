// The Node.js runtime interface client: asks the Runtime API for events and calls the handler.
//
// Lean on purpose, since every cold start pays for it: one raw connection in the place of the http module, writes to
// descriptors in the place of streams. Behaviour: "Building Lambda functions with Node.js", AWS Lambda Developer Guide.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');
const util = require('util');

const TASK_ROOT = process.env.LAMBDA_TASK_ROOT || '/var/task';
const API = process.env.AWS_LAMBDA_RUNTIME_API || '127.0.0.1:9001';
const JSON_LOGS = process.env.AWS_LAMBDA_LOG_FORMAT === 'JSON';
const MAJOR = parseInt((/nodejs(\d+)/.exec(process.env.AWS_EXECUTION_ENV || '') || [])[1] || '20', 10);
const STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');

let currentId; // of the invocation; undefined while the function starts
let currentTenant;

// --- logs ----------------------------------------------------------------------------------------------------------

const LEVELS = { TRACE: 1, DEBUG: 2, INFO: 3, WARN: 4, ERROR: 5, FATAL: 6 };
const leastLevel = JSON_LOGS ? LEVELS[(process.env.AWS_LAMBDA_LOG_LEVEL || '').toUpperCase()] || 0 : 0;
const frames = /^\d+$/.test(process.env._LAMBDA_TELEMETRY_LOG_FD || '') ? +process.env._LAMBDA_TELEMETRY_LOG_FD : -1;
delete process.env._LAMBDA_TELEMETRY_LOG_FD;

function writeAll(descriptor, data) {
  for (let at = 0; at < data.length; ) {
    try {
      at += fs.writeSync(descriptor, data, at);
    } catch (error) {
      if (error.code === 'EPIPE') return;
      if (error.code !== 'EAGAIN') throw error;
    }
  }
}

function writeEvent(level, text) {
  if (frames < 0) {
    writeAll(1, Buffer.from(text.replace(/\n/g, '\r') + '\n'));
    return;
  }
  const body = Buffer.from(text);
  const head = Buffer.alloc(16);
  head.writeUInt32BE(((JSON_LOGS ? 0xa55a0002 : 0xa55a0003) | (LEVELS[level] << 2)) >>> 0, 0);
  head.writeUInt32BE(body.length, 4);
  head.writeBigUInt64BE(BigInt(Date.now()) * 1000n, 8);
  writeAll(frames, Buffer.concat([head, body]));
}

function isError(value) {
  return util.types.isNativeError(value) || (value && value.name && value.message && typeof value.stack === 'string');
}

function jsonText(record) {
  const seen = new WeakSet();
  return JSON.stringify(record, (key, value) => {
    if (typeof value === 'bigint') return value.toString();
    if (isError(value)) return { errorType: value.name, errorMessage: value.message, ...value, stackTrace: stackOf(value) };
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) return '[Circular]';
      seen.add(value);
    }
    return value;
  });
}

function stackOf(error) {
  return typeof error.stack === 'string' ? error.stack.split('\n') : error.stack || [];
}

function logJson(level, words) {
  const record = { timestamp: new Date().toISOString(), level, requestId: currentId };
  if (currentTenant) record.tenantId = currentTenant;
  if (words.length === 1 && typeof words[0] === 'object' && words[0] !== null && !isError(words[0])) {
    record.message = words[0];
  } else {
    record.message = words.length === 1 && isError(words[0]) ? words[0].message : util.format(...words);
    const error = words.find(isError);
    if (error) {
      record.errorType = error.name;
      record.errorMessage = error.message;
      record.stackTrace = stackOf(error);
    }
  }
  writeEvent(level, jsonText(record));
}

function log(level, words) {
  if (JSON_LOGS) logJson(level, words);
  else writeEvent(level, `${new Date().toISOString()}\t${currentId}\t${level}\t${util.format(...words)}`);
}

function patchConsole() {
  const names = { log: 'INFO', info: 'INFO', debug: 'DEBUG', trace: 'TRACE', warn: 'WARN', error: 'ERROR', fatal: 'FATAL' };
  for (const name in names) {
    const level = names[name];
    console[name] = LEVELS[level] < leastLevel ? () => {} : (...words) => log(level, words);
  }
}

// What stands in the log about an error that ended an invocation or the start.
function logFailure(what, error) {
  if (JSON_LOGS) {
    logJson('ERROR', [error]);
    return;
  }
  let text;
  try {
    const told = isError(error)
      ? { errorType: error.name, errorMessage: error.message, ...error, stack: stackOf(error) }
      : { errorType: typeof error, errorMessage: String(error), trace: [] };
    text = jsonText(told);
  } catch (_) {
    text = String(error);
  }
  log('ERROR', [`${what} \t${text}`]);
}

// --- errors --------------------------------------------------------------------------------------------------------

function runtimeError(name, message) {
  const error = new Error(message);
  error.name = 'Runtime.' + name;
  error.stack = error.stack.replace(/^Error/, error.name);
  return error;
}

function failureOf(error) {
  try {
    if (isError(error)) return { errorType: String(error.name), errorMessage: String(error.message), trace: stackOf(error) };
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch (_) {
    return { errorType: 'handled', errorMessage: 'callback called with Error argument, but there was a problem while '
      + 'retrieving one or more of its message, name, and stack', trace: [] };
  }
}

// --- the Runtime API -----------------------------------------------------------------------------------------------

// One connection. While a handler runs it does not keep the event loop alive, so that an empty loop can be noticed.
const api = {
  socket: null,
  pending: Buffer.alloc(0),
  waiting: [], // who takes the answers, in order

  connect() {
    const colon = API.lastIndexOf(':');
    this.socket = net.connect({ host: API.slice(0, colon), port: +API.slice(colon + 1), noDelay: true });
    this.socket.on('data', (data) => {
      this.pending = this.pending.length === 0 ? data : Buffer.concat([this.pending, data]);
      for (let answer; this.waiting.length > 0 && (answer = this.parse()) !== null; ) this.waiting.shift()(answer);
    });
    this.socket.on('error', () => process.exit(1));
    this.socket.on('close', () => process.exit(1));
  },

  need: 0, // bytes that must be there before it is worth looking again
  parse() {
    const data = this.pending;
    if (data.length < this.need) return null;
    const end = data.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const lines = data.latin1Slice(0, end).split('\r\n');
    const headers = Object.create(null);
    for (let i = 1; i < lines.length; i++) {
      const colon = lines[i].indexOf(':');
      headers[lines[i].slice(0, colon).toLowerCase()] = lines[i].slice(colon + 1).trim();
    }
    const status = +lines[0].split(' ')[1];
    if ((headers['transfer-encoding'] || '').toLowerCase() === 'chunked') return this.parseChunks(status, headers, end + 4);
    const length = +headers['content-length'] || 0;
    this.need = end + 4 + length;
    if (data.length < this.need) return null;
    this.pending = data.subarray(this.need);
    const body = data.subarray(end + 4, this.need);
    this.need = 0;
    return { status, headers, body };
  },

  parseChunks(status, headers, at) {
    const data = this.pending;
    const parts = [];
    for (;;) {
      const line = data.indexOf('\r\n', at);
      if (line < 0) return null;
      const length = parseInt(data.latin1Slice(at, line), 16);
      if (data.length < line + 4 + length) return null;
      at = line + 4 + length;
      if (length === 0) break;
      parts.push(data.subarray(line + 2, line + 2 + length));
    }
    this.pending = data.subarray(at);
    return { status, headers, body: Buffer.concat(parts) };
  },

  head(where, extra, length) {
    return `POST /2018-06-01/runtime/${where} HTTP/1.1\r\nHost: ${API}\r\nContent-Type: application/json\r\n`
      + `${extra}Content-Length: ${length}\r\n\r\n`;
  },

  errorHeaders(failure) {
    return `Lambda-Runtime-Function-Error-Type: ${failure.errorType.replace(/[^\x20-\x7e]/g, '%7F')}\r\n`;
  },

  NEXT: `GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: ${API}\r\n\r\n`,

  next() {
    this.socket.ref();
    this.waiting.push(onEvent);
    this.socket.write(this.NEXT);
  },

  // Tells how the invocation ended and asks for the next in one breath.
  answer(where, extra, body) {
    const socket = this.socket;
    socket.ref();
    this.waiting.push(onAnswered, onEvent);
    const length = Buffer.byteLength(body);
    if (length < 32768) {
      socket.write(this.head(where, extra, length) + body + this.NEXT);
    } else {
      socket.cork();
      socket.write(this.head(where, extra, length));
      socket.write(body);
      socket.write(this.NEXT);
      socket.uncork();
    }
  },

  // The last words of this process.
  lastError(where, failure, code) {
    if (this.socket === null) this.connect();
    const body = JSON.stringify(failure);
    this.socket.ref();
    this.waiting = [() => process.exit(code)];
    this.socket.write(this.head(where, this.errorHeaders(failure), Buffer.byteLength(body)) + body);
  },
};

function onAnswered(answer) {
  if (answer.status >= 400) console.error(`The Runtime API answered ${answer.status}: ${answer.body}`);
}

function onEvent(answer) {
  if (answer.status !== 200) {
    writeAll(2, Buffer.from(`The Runtime API answered ${answer.status} when it was asked for an event.\n`));
    process.exit(1);
  }
  api.socket.unref();
  invoke(answer.headers, answer.body);
}

// --- streams -------------------------------------------------------------------------------------------------------

function responseStream(id) {
  const { Writable } = require('stream');
  let begun = false;
  let type = 'application/octet-stream';
  const stream = new Writable({
    highWaterMark: 64 * 1024,
    write(chunk, encoding, done) {
      begin();
      if (chunk.length === 0) return done();
      api.socket.cork();
      api.socket.write(chunk.length.toString(16) + '\r\n');
      api.socket.write(chunk);
      const flushed = api.socket.write('\r\n');
      api.socket.uncork();
      if (flushed) done();
      else api.socket.once('drain', done);
    },
    final(done) {
      begin();
      done();
    },
  });
  function begin() {
    if (begun) return;
    begun = true;
    if (stream._beforeFirstWrite) {
      const prelude = stream._beforeFirstWrite;
      stream._beforeFirstWrite = null;
      head();
      const bytes = Buffer.concat([Buffer.from(prelude), Buffer.alloc(8)]);
      api.socket.write(Buffer.concat([Buffer.from(bytes.length.toString(16) + '\r\n'), bytes, Buffer.from('\r\n')]));
    } else {
      head();
    }
  }
  function head() {
    api.socket.ref();
    api.socket.write(
      `POST /2018-06-01/runtime/invocation/${id}/response HTTP/1.1\r\nHost: ${API}\r\nContent-Type: ${type}\r\n`
      + 'Lambda-Runtime-Function-Response-Mode: streaming\r\nTransfer-Encoding: chunked\r\n'
      + 'Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body\r\n\r\n');
  }
  stream.setContentType = (value) => {
    type = String(value);
  };
  // Ends the response; an error travels behind it.
  stream._finish = (failure) => {
    begin();
    let trailers = '';
    if (failure) {
      const body = Buffer.from(JSON.stringify(failure)).toString('base64');
      trailers = `${api.errorHeaders(failure)}Lambda-Runtime-Function-Error-Body: ${body}\r\n`;
    }
    api.waiting.push(onAnswered);
    api.socket.write('0\r\n' + trailers + '\r\n');
    api.next();
  };
  return stream;
}

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAMING] = 'response';
    if (options && options.highWaterMark) handler[Symbol.for('aws.lambda.runtime.handler.streaming.highWaterMark')] = options.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream._beforeFirstWrite = JSON.stringify(prelude);
      return stream;
    },
  },
};

// --- invocations ---------------------------------------------------------------------------------------------------

let handler;
let onEmptyLoop = null; // what happens when nothing is left to do

process.on('beforeExit', () => {
  if (onEmptyLoop === null) return;
  const action = onEmptyLoop;
  onEmptyLoop = null;
  action();
});

function parsed(text) {
  return text ? JSON.parse(Buffer.from(text, 'latin1').toString()) : undefined;
}

function contextOf(headers, waits) {
  const deadline = +headers['lambda-runtime-deadline-ms'];
  return Object.defineProperty({
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: parsed(headers['lambda-runtime-client-context']),
    identity: parsed(headers['lambda-runtime-cognito-identity']),
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    tenantId: headers['lambda-runtime-aws-tenant-id'],
    getRemainingTimeInMillis: () => deadline - Date.now(),
  }, 'callbackWaitsForEmptyEventLoop', {
    enumerable: true,
    get: () => waits.empty,
    set: (value) => {
      waits.empty = Boolean(value);
    },
  });
}

function invoke(headers, body) {
  const id = headers['lambda-runtime-aws-request-id'];
  const waits = { empty: true };
  let answered = false; // the first to answer wins
  currentId = id;
  currentTenant = headers['lambda-runtime-aws-tenant-id'];
  if (headers['lambda-runtime-trace-id']) process.env._X_AMZN_TRACE_ID = headers['lambda-runtime-trace-id'];
  else delete process.env._X_AMZN_TRACE_ID;

  function sendFailure(error) {
    onEmptyLoop = null;
    logFailure('Invoke Error', error);
    const failure = failureOf(error);
    api.answer(`invocation/${id}/error`, api.errorHeaders(failure), JSON.stringify(failure));
  }
  function sendResult(result) {
    onEmptyLoop = null;
    let text;
    try {
      text = JSON.stringify(result === undefined ? null : result);
    } catch (_) {
      return sendFailure(new Error('Unable to stringify response body'));
    }
    api.answer(`invocation/${id}/response`, '', text === undefined ? 'null' : text);
  }
  const once = (action) => (...words) => {
    if (answered) return;
    answered = true;
    action(...words);
  };
  const done = (error, result) => (error === undefined || error === null ? sendResult(result) : sendFailure(error));
  const succeed = once((result) => sendResult(result));
  const fail = once((error) => sendFailure(error === undefined || error === null ? 'handled' : error));
  const callback = once((error, result) => {
    if (waits.empty) onEmptyLoop = () => setImmediate(() => done(error, result));
    else done(error, result);
  });
  onEmptyLoop = () => {
    if (!answered) {
      answered = true;
      sendResult(null);
    }
  };
  let event, context;
  try {
    event = JSON.parse(body.toString());
    context = contextOf(headers, waits);
  } catch (error) {
    return fail(error);
  }
  if (handler[STREAMING]) return invokeStreaming(event, context, id);
  if (MAJOR < 24) Object.assign(context, { done: once(done), succeed, fail });
  try {
    const result = MAJOR < 24 ? handler(event, context, callback) : handler(event, context);
    if (result && typeof result.then === 'function') result.then(succeed, fail).catch(fail);
    else if (MAJOR >= 24) succeed(result);
  } catch (error) {
    fail(error);
  }
}

async function invokeStreaming(event, context, id) {
  const stream = responseStream(id);
  let ended = false;
  const finish = (error) => {
    if (ended) return;
    ended = true;
    onEmptyLoop = null;
    if (error !== undefined) logFailure('Invoke Error', error);
    stream._finish(error === undefined ? null : failureOf(error));
  };
  stream.on('error', finish);
  onEmptyLoop = () => finish();
  try {
    await handler(event, stream, context);
    // The handler is through; what it wrote may still be on its way, and others may still write.
    if (stream.writableFinished || stream.destroyed) finish();
    else stream.once('finish', () => finish());
  } catch (error) {
    finish(error);
  }
}

// --- the start -----------------------------------------------------------------------------------------------------

function isFile(name) {
  try {
    return fs.statSync(name).isFile();
  } catch (_) {
    return false;
  }
}

async function loadModule(directory, name) {
  const base = path.resolve(TASK_ROOT, directory, name);
  const file = ['', '.js', '.mjs', '.cjs'].map((extension) => base + extension).find(isFile)
    || require.resolve(name, { paths: [path.resolve(TASK_ROOT, directory), TASK_ROOT] });
  if (file.endsWith('.mjs')) return import(require('url').pathToFileURL(file).href);
  try {
    return require(file);
  } catch (error) {
    if (error.code === 'ERR_REQUIRE_ESM' || error.code === 'ERR_REQUIRE_ASYNC_MODULE')
      return import(require('url').pathToFileURL(file).href);
    throw error;
  }
}

async function findHandler(full) {
  if (full.includes('..'))
    throw runtimeError('MalformedHandlerName',
      `'${full}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  const base = path.basename(full);
  const match = /^([^.]*)\.(.*)$/.exec(base);
  if (!match) throw runtimeError('MalformedHandlerName', 'Bad handler');
  let module;
  try {
    module = await loadModule(full.slice(0, full.length - base.length), match[1]);
  } catch (error) {
    if (error instanceof SyntaxError || (error && error.name === 'SyntaxError')) {
      const told = runtimeError('UserCodeSyntaxError', String(error));
      told.stack = stackOf(error).join('\n');
      throw told;
    }
    if (error && error.code !== undefined && /^(ERR_)?MODULE_NOT_FOUND$/.test(error.code))
      throw runtimeError('ImportModuleError', String(error));
    throw error;
  }
  const nested = (from) => match[2].split('.').reduce((inside, name) => inside && inside[name], from);
  const found = nested(module) || nested(module && module.default);
  if (!found) throw runtimeError('HandlerNotFound', `${full} is undefined or not exported`);
  if (typeof found !== 'function') throw runtimeError('HandlerNotFound', `${full} is not a function`);
  if (MAJOR >= 24 && found.length >= 3 && !found[STREAMING])
    throw runtimeError('CallbackHandlerDeprecated',
      'AWS Lambda has removed support for callback-based function handlers starting with Node.js 24. You need to modify '
      + 'this function to use a supported handler signature to use Node.js 24 or later.');
  return found;
}

function die(what, error, code) {
  logFailure(what, error);
  const where = currentId === undefined ? 'init/error' : `invocation/${currentId}/error`;
  api.lastError(where, failureOf(error), code);
}

process.on('uncaughtException', (error) => die('Uncaught Exception', error, 129));
process.on('unhandledRejection', (reason, promise) => {
  const error = runtimeError('UnhandledPromiseRejection', reason === undefined ? undefined : String(reason));
  error.reason = reason;
  error.promise = promise;
  die('Unhandled Promise Rejection', error, 128);
});

patchConsole();
api.connect(); // while the function's code loads
api.socket.unref();
findHandler(process.env._HANDLER || '').then(
  (found) => {
    handler = found;
    api.next();
  },
  (error) => die('Uncaught Exception', error, 129),
);
