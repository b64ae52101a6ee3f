# frozen_string_literal: true

# The Ruby runtime interface client: asks the Runtime API for events and calls the handler. Behaviour: "Building Lambda
# functions with Ruby", AWS Lambda Developer Guide.
require 'json'
require 'logger'
require 'socket'
require 'stringio'
require 'time'

module KumoniwaRuntime
  TASK_ROOT = ENV.fetch('LAMBDA_TASK_ROOT', '/var/task')
  JSON_LOGS = ENV['AWS_LAMBDA_LOG_FORMAT'] == 'JSON'
  LEVELS = { 'TRACE' => 1, 'DEBUG' => 2, 'INFO' => 3, 'WARN' => 4, 'ERROR' => 5, 'FATAL' => 6 }.freeze

  class << self
    attr_accessor :request_id, :tenant_id
  end

  # Events of the log that may have several lines: frames where there is a descriptor for them.
  module Log
    descriptor = ENV.delete('_LAMBDA_TELEMETRY_LOG_FD')
    FRAMES = descriptor =~ /\A\d+\z/ ? IO.new(descriptor.to_i, 'wb', autoclose: false) : nil

    def self.write(text, level = 'INFO')
      if FRAMES.nil?
        $stdout.write(text.end_with?("\n") ? text : "#{text}\n")
        return
      end
      data = text.dup.force_encoding(Encoding::BINARY)
      kind = (JSON_LOGS ? 0xa55a0002 : 0xa55a0003) | (LEVELS.fetch(level, 0) << 2)
      FRAMES.write([kind, data.bytesize, (Time.now.to_r * 1_000_000).to_i].pack('NNQ>') + data)
      FRAMES.flush
    end

    def self.failure(result)
      if JSON_LOGS
        write(JSON.generate({ timestamp: Time.now.utc.iso8601, level: 'ERROR', requestId: KumoniwaRuntime.request_id,
                              message: result[:errorMessage], **result }), 'ERROR')
      else
        kind = result[:errorType] == 'Init<LoadError>' ? 'Init error' : 'Error raised from handler method'
        write("#{kind}\n#{JSON.generate(result)}".tr("\n", FRAMES.nil? ? "\r" : "\n"), 'ERROR')
      end
    end
  end

  # One connection, kept.
  class Api
    def initialize(address)
      @address = address
      host, _, port = address.rpartition(':')
      @socket = TCPSocket.new(host, port.to_i)
      @socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
    end

    def next_event
      @socket.write("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: #{@address}\r\n\r\n")
      status, headers, body = receive
      return headers, body if status == 200

      warn "The Runtime API answered #{status} when it was asked for an event."
      exit(1)
    end

    def post(where, body, error_type = nil, content_type = 'application/json')
      head = "POST /2018-06-01/runtime/#{where} HTTP/1.1\r\nHost: #{@address}\r\nContent-Type: #{content_type}\r\n" \
             "Content-Length: #{body.bytesize}\r\n"
      head += "Lambda-Runtime-Function-Error-Type: #{error_type}\r\n" if error_type
      @socket.write(head.b + "\r\n".b + body.b)
      status, = receive
      warn "The Runtime API answered #{status}." if status >= 400
    end

    private

    def receive
      status = line.split[1].to_i
      headers = {}
      until (text = line).empty?
        name, _, value = text.partition(':')
        headers[name.downcase] = value.strip
      end
      return status, headers, chunks if headers['transfer-encoding']&.downcase == 'chunked'

      [status, headers, @socket.read(headers.fetch('content-length', '0').to_i)]
    end

    def line
      text = @socket.gets("\r\n")
      raise EOFError, 'the Runtime API closed the connection' if text.nil?

      text.chomp("\r\n")
    end

    def chunks
      body = +''
      while (size = line.to_i(16)).positive?
        body << @socket.read(size)
        line
      end
      line
      body
    end
  end

  class Context
    attr_reader :aws_request_id, :invoked_function_arn, :log_group_name, :log_stream_name, :function_name,
                :memory_limit_in_mb, :function_version, :identity, :client_context, :deadline_ms, :tenant_id

    def initialize(headers)
      @aws_request_id = headers['lambda-runtime-aws-request-id']
      @deadline_ms = headers['lambda-runtime-deadline-ms'].to_i
      @invoked_function_arn = headers['lambda-runtime-invoked-function-arn']
      @tenant_id = headers['lambda-runtime-aws-tenant-id']
      @log_group_name = ENV['AWS_LAMBDA_LOG_GROUP_NAME']
      @log_stream_name = ENV['AWS_LAMBDA_LOG_STREAM_NAME']
      @function_name = ENV['AWS_LAMBDA_FUNCTION_NAME']
      @memory_limit_in_mb = ENV['AWS_LAMBDA_FUNCTION_MEMORY_SIZE']
      @function_version = ENV['AWS_LAMBDA_FUNCTION_VERSION']
      client = headers['lambda-runtime-client-context']
      identity = headers['lambda-runtime-cognito-identity']
      @client_context = JSON.parse(client.dup.force_encoding('UTF-8')) if client
      @identity = JSON.parse(identity) if identity
    end

    def get_remaining_time_in_millis # rubocop:disable Naming/AccessorMethodName
      [deadline_ms - (Time.now.to_f * 1000).to_i, 0].max
    end
  end

  # "file.method", "folder/file.Module::Class.method"
  def self.find_handler(name)
    file, *rest = name.split('.')
    if rest.empty? || rest.length > 2
      raise ArgumentError, "Invalid handler #{name}, must be of form FILENAME.METHOD or FILENAME.CLASS.METHOD where " \
                           'FILENAME corresponds with an existing Ruby source file FILENAME.rb, CLASS is an optional ' \
                           'module/class namespace and METHOD is a callable method. If using CLASS, METHOD must be a ' \
                           'class-level method.'
    end
    require(File.expand_path(file, TASK_ROOT))
    method = rest.last.to_sym
    target = rest.length == 2 ? Object.const_get(rest.first) : TOPLEVEL_BINDING.receiver
    ->(event, context) { target.send(method, event: event, context: context) }
  end

  def self.failure_of(error, where)
    trace = (error.backtrace || []).reject { |line| line.start_with?(__FILE__) }
    # Without the hints that Ruby's own helpers add.
    message = error.respond_to?(:original_message) ? error.original_message : error.message
    { errorMessage: message.to_s.dup.force_encoding('UTF-8').scrub, errorType: "#{where}<#{error.class}>",
      stackTrace: trace }
  end

  # What goes back: text of IO results as it is, all else as JSON.
  def self.marshal(result)
    return result.read, 'application/unknown' if result.is_a?(StringIO)

    [JSON.generate(result), 'application/json']
  end

  def self.handle(api, handler, headers, body)
    self.request_id = headers['lambda-runtime-aws-request-id']
    self.tenant_id = headers['lambda-runtime-aws-tenant-id']
    ENV['_X_AMZN_TRACE_ID'] = headers['lambda-runtime-trace-id']
    event = JSON.parse(body.force_encoding('UTF-8'))
    result, type = marshal(handler.call(event, Context.new(headers)))
    $stdout.flush
    api.post("invocation/#{request_id}/response", result, nil, type)
  rescue NoMemoryError, ScriptError, StandardError, SystemStackError => e
    failure = failure_of(e, 'Function')
    Log.failure(failure)
    api.post("invocation/#{request_id}/error", JSON.generate(failure), failure[:errorType])
  end

  def self.main
    $stdout.sync = true
    $LOAD_PATH.unshift(TASK_ROOT, '/opt/ruby/lib')
    api = Api.new(ENV.fetch('AWS_LAMBDA_RUNTIME_API'))
    begin
      handler = find_handler(ENV.fetch('_HANDLER', ''))
    rescue ScriptError, StandardError => e
      failure = failure_of(e, 'Init')
      Log.failure(failure)
      api.post('init/error', JSON.generate(failure), failure[:errorType])
      exit(1)
    end
    loop { handle(api, handler, *api.next_event) }
  end
end

# A logger on standard output names the request and writes events whole; with JSON logging it writes objects.
module KumoniwaLogger
  def initialize(logdev, *args, **options)
    @kumoniwa = [$stdout, STDOUT].include?(logdev) || logdev == '/dev/stdout'
    super
    level = ENV['AWS_LAMBDA_LOG_LEVEL']
    return unless @kumoniwa && KumoniwaRuntime::JSON_LOGS && level

    self.level = { 'TRACE' => 0, 'DEBUG' => 0, 'INFO' => 1, 'WARN' => 2, 'ERROR' => 3, 'FATAL' => 4 }.fetch(level, 1)
  end

  def add(severity, message = nil, progname = nil)
    return super unless @kumoniwa

    severity ||= Logger::UNKNOWN
    return true if severity < level

    progname = @progname if progname.nil?
    if message.nil?
      if block_given?
        message = yield
      else
        message = progname
        progname = @progname
      end
    end
    label = format_severity(severity)
    KumoniwaRuntime::Log.write(kumoniwa_text(label, progname, message), label)
    true
  end
  alias log add

  private

  def kumoniwa_text(label, progname, message)
    now = Time.now
    unless KumoniwaRuntime::JSON_LOGS && formatter.nil?
      return format_message(label, now, progname || KumoniwaRuntime.request_id, message).chomp
    end

    record = { timestamp: now.utc.strftime('%Y-%m-%dT%H:%M:%S.%LZ'), level: label,
               message: message.is_a?(Exception) ? message.message : message, requestId: KumoniwaRuntime.request_id }
    if message.is_a?(Exception)
      record.update(errorType: message.class.to_s, errorMessage: message.message, stackTrace: message.backtrace)
    end
    JSON.generate(record.compact)
  end
end
Logger.prepend(KumoniwaLogger)

KumoniwaRuntime.main
