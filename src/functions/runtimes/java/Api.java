package kumoniwa;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** The Runtime API over one connection that is kept. */
final class Api {
    /** An answer: its headers have names in lower case. */
    static final class Answer {
        int status;
        final Map<String, String> headers = new HashMap<>();
        byte[] body;
    }

    private final String address;
    private final InputStream in;
    private final OutputStream out;

    Api(String address) throws IOException {
        int colon = address.lastIndexOf(':');
        this.address = address;
        Socket socket = new Socket(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1)));
        socket.setTcpNoDelay(true);
        in = new BufferedInputStream(socket.getInputStream(), 16384);
        out = socket.getOutputStream();
    }

    Answer next() throws IOException {
        out.write(("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: " + address + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1));
        Answer answer = receive();
        if (answer.status != 200) {
            System.err.println("The Runtime API answered " + answer.status + " when it was asked for an event.");
            System.exit(1);
        }
        return answer;
    }

    void post(String where, byte[] body, int length, String errorType) throws IOException {
        String head = "POST /2018-06-01/runtime/" + where + " HTTP/1.1\r\nHost: " + address + "\r\nContent-Type: application/json\r\n"
            + (errorType == null ? "" : "Lambda-Runtime-Function-Error-Type: " + errorType + "\r\n") + "Content-Length: " + length + "\r\n\r\n";
        byte[] bytes = head.getBytes(StandardCharsets.ISO_8859_1);
        byte[] all = new byte[bytes.length + length];
        System.arraycopy(bytes, 0, all, 0, bytes.length);
        System.arraycopy(body, 0, all, bytes.length, length);
        out.write(all);
        Answer answer = receive();
        if (answer.status >= 400) System.err.println("The Runtime API answered " + answer.status + ".");
    }

    private Answer receive() throws IOException {
        Answer answer = new Answer();
        answer.status = Integer.parseInt(line().split(" ")[1]);
        for (String line = line(); !line.isEmpty(); line = line()) {
            int colon = line.indexOf(':');
            answer.headers.put(line.substring(0, colon).toLowerCase(Locale.ROOT), line.substring(colon + 1).trim());
        }
        if ("chunked".equalsIgnoreCase(answer.headers.get("transfer-encoding"))) answer.body = chunks();
        else answer.body = bytes(Integer.parseInt(answer.headers.getOrDefault("content-length", "0")));
        return answer;
    }

    private byte[] bytes(int length) throws IOException {
        byte[] bytes = in.readNBytes(length);
        if (bytes.length < length) throw new EOFException("the Runtime API closed the connection");
        return bytes;
    }

    private byte[] chunks() throws IOException {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (int length = Integer.parseInt(line(), 16); length > 0; length = Integer.parseInt(line(), 16)) {
            body.write(bytes(length));
            line();
        }
        line();
        return body.toByteArray();
    }

    private String line() throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream(128);
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) throw new EOFException("the Runtime API closed the connection");
            if (c != '\r') line.write(c);
        }
        return line.toString(StandardCharsets.ISO_8859_1);
    }
}
