package kumoniwa;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The Java runtime interface client: asks the Runtime API for events and calls the handler. Behaviour: "Building Lambda
 * functions with Java", AWS Lambda Developer Guide.
 */
public final class Bootstrap {
    /** A handler of any form, over bytes. */
    private interface Handler {
        void call(byte[] event, ByteArrayOutputStream result, Context context) throws Throwable;
    }

    private static final Logger LOGGER = new Logger();

    private Bootstrap() {}

    public static void main(String[] words) throws Exception {
        Api api = new Api(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Handler handler = null;
        try {
            handler = find(System.getenv("_HANDLER"));
        } catch (Throwable error) {
            Throwable told = unwrapped(error);
            report(told);
            post(api, "init/error", told);
            System.exit(1);
        }
        while (true) serve(api, handler);
    }

    private static void serve(Api api, Handler handler) throws IOException {
        Api.Answer event = api.next();
        String id = event.headers.get("lambda-runtime-aws-request-id");
        Logger.requestId = id;
        String trace = event.headers.get("lambda-runtime-trace-id");
        if (trace == null) System.clearProperty("com.amazonaws.xray.traceHeader");
        else System.setProperty("com.amazonaws.xray.traceHeader", trace);
        try {
            ByteArrayOutputStream result = new ByteArrayOutputStream(256) {
                @Override
                public void close() {} /* handlers close what they are given */
            };
            handler.call(event.body, result, new InvocationContext(event.headers, LOGGER));
            System.out.flush();
            api.post("invocation/" + id + "/response", result.toByteArray(), result.size(), null);
        } catch (IOException error) {
            if (error.getStackTrace().length > 0 && error.getStackTrace()[0].getClassName().startsWith("kumoniwa.")) throw error;
            failed(api, id, error);
        } catch (Throwable error) {
            failed(api, id, unwrapped(error));
        }
    }

    private static void failed(Api api, String id, Throwable error) throws IOException {
        report(error);
        post(api, "invocation/" + id + "/error", error);
        if (error instanceof VirtualMachineError) System.exit(1);
    }

    // --- errors -----------------------------------------------------------------------------------------------------

    private static Throwable unwrapped(Throwable error) {
        boolean wrapped = error instanceof InvocationTargetException || error instanceof ExceptionInInitializerError;
        return wrapped && error.getCause() != null ? error.getCause() : error;
    }

    /** Our own frames are of no use to anybody. */
    private static StackTraceElement[] frames(Throwable error) {
        List<StackTraceElement> frames = new ArrayList<>();
        for (StackTraceElement frame : error.getStackTrace()) {
            if (frame.getClassName().startsWith("kumoniwa.")) break;
            frames.add(frame);
        }
        while (!frames.isEmpty() && frames.get(frames.size() - 1).getClassName().matches("(java\\.lang|jdk\\.internal)\\..*reflect.*"))
            frames.remove(frames.size() - 1);
        return frames.toArray(new StackTraceElement[0]);
    }

    private static void report(Throwable error) {
        error.setStackTrace(frames(error));
        StringWriter text = new StringWriter();
        error.printStackTrace(new PrintWriter(text));
        System.out.flush();
        LOGGER.event("ERROR", error.getMessage() + ": " + error.getClass().getName() + "\n" + text);
    }

    private static Map<String, Object> told(Throwable error, int depth) {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("errorMessage", error.getMessage());
        told.put("errorType", error.getClass().getName());
        List<String> trace = new ArrayList<>();
        for (StackTraceElement frame : frames(error)) trace.add(frame.toString());
        told.put("stackTrace", trace);
        if (error.getCause() != null && error.getCause() != error && depth < 10) told.put("cause", told(error.getCause(), depth + 1));
        return told;
    }

    private static void post(Api api, String where, Throwable error) throws IOException {
        try {
            byte[] body = Mapper.write(told(error, 0)).getBytes(StandardCharsets.UTF_8);
            api.post(where, body, body.length, error.getClass().getName());
        } catch (IOException gone) {
            throw gone;
        } catch (Exception never) {
            throw new IllegalStateException(never);
        }
    }

    // --- the handler ------------------------------------------------------------------------------------------------

    private static Handler find(String name) throws Exception {
        int colons = name.indexOf("::");
        String className = colons < 0 ? name : name.substring(0, colons);
        if (className.isEmpty() || colons >= 0 && name.length() == colons + 2)
            throw new IllegalArgumentException("Invalid Handler: `" + name + "`");
        Class<?> type;
        try {
            type = Class.forName(className);
        } catch (ClassNotFoundException error) {
            throw new ClassNotFoundException("Class not found: " + className);
        }
        if (colons < 0) return ofInterface(type);
        String method = name.substring(colons + 2);
        boolean known = RequestHandler.class.isAssignableFrom(type) || RequestStreamHandler.class.isAssignableFrom(type);
        return known && method.equals("handleRequest") ? ofInterface(type) : ofMethod(type, method);
    }

    private static Object make(Class<?> type) throws Exception {
        try {
            return type.getConstructor().newInstance();
        } catch (NoSuchMethodException error) {
            throw new NoSuchMethodException("Class " + type.getName() + " has no public zero-argument constructor");
        }
    }

    @SuppressWarnings("unchecked")
    private static Handler ofInterface(Class<?> type) throws Exception {
        if (RequestStreamHandler.class.isAssignableFrom(type)) {
            RequestStreamHandler stream = (RequestStreamHandler) make(type);
            return (event, result, context) -> stream.handleRequest(new ByteArrayInputStream(event), result, context);
        }
        if (!RequestHandler.class.isAssignableFrom(type))
            throw new IllegalArgumentException("Class " + type.getName() + " does not implement an appropriate handler interface");
        RequestHandler<Object, Object> handler = (RequestHandler<Object, Object>) make(type);
        Type input = inputOf(type);
        return (event, result, context) -> write(result, handler.handleRequest(parse(event, input), context));
    }

    /** What a class puts for RequestHandler's first type variable: as declared, or as its method says. */
    private static Type inputOf(Class<?> type) {
        for (Class<?> at = type; at != null; at = at.getSuperclass())
            for (Type implemented : at.getGenericInterfaces())
                if (implemented instanceof ParameterizedType && ((ParameterizedType) implemented).getRawType() == RequestHandler.class) {
                    Type input = ((ParameterizedType) implemented).getActualTypeArguments()[0];
                    if (input instanceof Class || input instanceof ParameterizedType) return input;
                }
        for (Method method : type.getMethods())
            if (method.getName().equals("handleRequest") && method.getParameterCount() == 2 && !method.isBridge())
                return method.getGenericParameterTypes()[0];
        return Object.class;
    }

    private static boolean fits(Method method) {
        Class<?>[] types = method.getParameterTypes();
        if (types.length < 2) return true;
        if (types.length == 2) return types[1] == Context.class || types[0] == InputStream.class && types[1] == OutputStream.class;
        return types.length == 3 && types[0] == InputStream.class && types[1] == OutputStream.class && types[2] == Context.class;
    }

    /** Any public method; of several the one that takes most, a Context above all. */
    private static Handler ofMethod(Class<?> type, String name) throws Exception {
        Method best = null;
        for (Method method : type.getMethods()) {
            if (!method.getName().equals(name) || method.isBridge() || !fits(method)) continue;
            if (best == null || rank(method) > rank(best)) best = method;
        }
        if (best == null)
            throw new NoSuchMethodException("No public method named " + name + " with appropriate method signature found on class " + type);
        Method chosen = best;
        Object target = Modifier.isStatic(chosen.getModifiers()) ? null : make(type);
        return (event, result, context) -> {
            Object[] words = new Object[chosen.getParameterCount()];
            for (int i = 0; i < words.length; i++) {
                Class<?> wanted = chosen.getParameterTypes()[i];
                if (wanted == Context.class) words[i] = context;
                else if (wanted == InputStream.class) words[i] = new ByteArrayInputStream(event);
                else if (wanted == OutputStream.class) words[i] = result;
                else words[i] = parse(event, chosen.getGenericParameterTypes()[i]);
            }
            Object value = chosen.invoke(target, words);
            boolean written = words.length > 1 && words[1] == result;
            if (!written && chosen.getReturnType() != void.class) write(result, value);
            else if (!written) write(result, null);
        };
    }

    private static int rank(Method method) {
        int count = method.getParameterCount();
        return 2 * count + (count > 0 && method.getParameterTypes()[count - 1] == Context.class ? 1 : 0);
    }

    private static Object parse(byte[] event, Type type) {
        try {
            return Mapper.read(Json.parse(new String(event, StandardCharsets.UTF_8)), type);
        } catch (Exception error) {
            throw new RuntimeException("An error occurred during JSON parsing", unwrapped(error));
        }
    }

    private static void write(ByteArrayOutputStream result, Object value) {
        try {
            byte[] bytes = Mapper.write(value).getBytes(StandardCharsets.UTF_8);
            result.write(bytes, 0, bytes.length);
        } catch (Exception error) {
            throw new RuntimeException("An error occurred during JSON serialization of response", unwrapped(error));
        }
    }
}
