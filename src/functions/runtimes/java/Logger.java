package kumoniwa;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;

/** The function's log: frames on a descriptor of their own, or lines on standard output. */
final class Logger implements LambdaLogger {
    static volatile String requestId;
    private static final boolean JSON = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private static final Map<String, Integer> LEVELS =
        Map.of("TRACE", 1, "DEBUG", 2, "INFO", 3, "WARN", 4, "ERROR", 5, "FATAL", 6);
    private final int least = JSON ? LEVELS.getOrDefault(String.valueOf(System.getenv("AWS_LAMBDA_LOG_LEVEL")), 0) : 0;
    private final OutputStream frames = open();

    private static OutputStream open() {
        String descriptor = System.getenv("_LAMBDA_TELEMETRY_LOG_FD");
        try {
            return descriptor == null ? null : new FileOutputStream("/proc/self/fd/" + Integer.parseInt(descriptor));
        } catch (IOException | NumberFormatException none) {
            return null;
        }
    }

    private synchronized void write(String level, byte[] text) {
        try {
            if (frames == null) {
                System.out.write(text, 0, text.length);
                System.out.flush();
                return;
            }
            Instant now = Instant.now();
            ByteBuffer frame = ByteBuffer.allocate(16 + text.length);
            frame.putInt((JSON ? 0xa55a0002 : 0xa55a0003) | LEVELS.getOrDefault(level, 0) << 2);
            frame.putInt(text.length);
            frame.putLong(now.getEpochSecond() * 1000000 + now.getNano() / 1000);
            frame.put(text);
            frames.write(frame.array());
        } catch (IOException gone) {
            return; /* nobody takes it any more */
        }
    }

    void event(String level, String message) {
        if (LEVELS.getOrDefault(level, 7) < least) return;
        if (!JSON) {
            write(level, message.getBytes(StandardCharsets.UTF_8));
            return;
        }
        Map<String, Object> record = new LinkedHashMap<>();
        record.put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
        record.put("message", message);
        record.put("level", level);
        if (requestId != null) record.put("AWSRequestId", requestId);
        try {
            write(level, (Mapper.write(record) + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (Exception error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    public void log(String message) {
        event("UNDEFINED", String.valueOf(message));
    }

    @Override
    public void log(byte[] message) {
        write("UNDEFINED", message);
    }

    @Override
    public void log(String message, LogLevel level) {
        event(level.name(), String.valueOf(message));
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (LEVELS.getOrDefault(level.name(), 7) >= least) write(level.name(), message);
    }
}
