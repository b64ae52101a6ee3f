package kumoniwa;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.temporal.TemporalAccessor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Calendar;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/** Between parsed JSON and the types of handlers: beans, records, collections, AWS's event classes. */
final class Mapper {
    private Mapper() {}

    // --- JSON to Java -----------------------------------------------------------------------------------------------

    static Object read(Object json, Type type) throws Exception {
        return read(json, type, new HashMap<>());
    }

    private static IllegalArgumentException unfit(Object json, Type type) {
        String what = json == null ? "null" : json instanceof Map ? "an object" : json instanceof List ? "an array" : json.getClass().getSimpleName();
        return new IllegalArgumentException("Cannot make a value of type " + type.getTypeName() + " of " + what);
    }

    private static Object read(Object json, Type type, Map<TypeVariable<?>, Type> bound) throws Exception {
        if (type instanceof TypeVariable) {
            Type known = bound.get(type);
            return known == null ? read(json, ((TypeVariable<?>) type).getBounds()[0], bound) : read(json, known, bound);
        }
        if (type instanceof WildcardType) return read(json, ((WildcardType) type).getUpperBounds()[0], bound);
        if (type instanceof GenericArrayType) return readArray(json, ((GenericArrayType) type).getGenericComponentType(), bound);
        if (type instanceof ParameterizedType) {
            ParameterizedType generic = (ParameterizedType) type;
            Class<?> raw = (Class<?>) generic.getRawType();
            Map<TypeVariable<?>, Type> inner = new HashMap<>(bound);
            TypeVariable<?>[] names = raw.getTypeParameters();
            for (int i = 0; i < names.length; i++) {
                Type argument = generic.getActualTypeArguments()[i];
                inner.put(names[i], argument instanceof TypeVariable ? bound.getOrDefault(argument, Object.class) : argument);
            }
            return readClass(json, raw, generic.getActualTypeArguments(), inner);
        }
        return readClass(json, (Class<?>) type, new Type[0], bound);
    }

    private static Type argument(Type[] arguments, int index) {
        return index < arguments.length ? arguments[index] : Object.class;
    }

    private static Object readClass(Object json, Class<?> type, Type[] arguments, Map<TypeVariable<?>, Type> bound) throws Exception {
        if (type == Optional.class) return Optional.ofNullable(read(json, argument(arguments, 0), bound));
        if (json == null) return type.isPrimitive() ? primitiveZero(type) : null;
        if (type == Object.class || type.isInstance(json) && arguments.length == 0) return json;
        Object simple = readSimple(json, type);
        if (simple != null) return simple;
        if (type.isArray()) return readArray(json, type.getComponentType(), bound);
        if (type.isEnum()) return readEnum(json, type);
        if (Map.class.isAssignableFrom(type)) return readMap(json, type, arguments, bound);
        if (Collection.class.isAssignableFrom(type) || type == Iterable.class) return readCollection(json, type, arguments, bound);
        if (json instanceof Map) return readBean((Map<?, ?>) json, type, bound);
        return readFromOne(json, type);
    }

    private static Object primitiveZero(Class<?> type) {
        return Array.get(Array.newInstance(type, 1), 0);
    }

    private static Object readSimple(Object json, Class<?> type) {
        if (type == String.class) {
            if (json instanceof Map || json instanceof List) throw unfit(json, type);
            return json.toString();
        }
        if (type == boolean.class || type == Boolean.class) {
            if (json instanceof Boolean) return json;
            if (json instanceof String) return Boolean.valueOf((String) json);
            throw unfit(json, type);
        }
        if (type == char.class || type == Character.class) return json.toString().charAt(0);
        if (type.isPrimitive() || Number.class.isAssignableFrom(type)) return readNumber(json, type);
        if (type == byte[].class) return Base64.getDecoder().decode((String) json);
        if (type == ByteBuffer.class) return ByteBuffer.wrap(Base64.getDecoder().decode((String) json));
        if (type == UUID.class) return UUID.fromString((String) json);
        if (Date.class == type) return Date.from(readInstant(json));
        if (type == Instant.class) return readInstant(json);
        return null;
    }

    /** Milliseconds, or seconds with a fraction as Kinesis and DynamoDB have them, or a text. */
    private static Instant readInstant(Object json) {
        if (json instanceof Integer || json instanceof Double || json instanceof BigDecimal)
            return Instant.ofEpochMilli(new BigDecimal(json.toString()).movePointRight(3).longValue());
        if (json instanceof Number) return Instant.ofEpochMilli(((Number) json).longValue());
        return Instant.parse((String) json);
    }

    private static Object readNumber(Object json, Class<?> type) {
        if (!(json instanceof Number || json instanceof String)) throw unfit(json, type);
        BigDecimal value = new BigDecimal(json.toString().trim());
        if (type == int.class || type == Integer.class) return value.intValue();
        if (type == long.class || type == Long.class) return value.longValue();
        if (type == double.class || type == Double.class) return value.doubleValue();
        if (type == float.class || type == Float.class) return value.floatValue();
        if (type == short.class || type == Short.class) return value.shortValue();
        if (type == byte.class || type == Byte.class) return value.byteValue();
        if (type == BigInteger.class) return value.toBigInteger();
        if (type == BigDecimal.class) return value;
        return json;
    }

    private static Object readEnum(Object json, Class<?> type) {
        for (Object constant : type.getEnumConstants())
            if (((Enum<?>) constant).name().equals(json.toString()) || constant.toString().equals(json.toString())) return constant;
        throw unfit(json, type);
    }

    private static Object readArray(Object json, Type element, Map<TypeVariable<?>, Type> bound) throws Exception {
        if (!(json instanceof List)) throw unfit(json, element);
        List<?> list = (List<?>) json;
        Type plain = element instanceof ParameterizedType ? ((ParameterizedType) element).getRawType() : element;
        Object array = Array.newInstance(plain instanceof Class ? (Class<?>) plain : Object.class, list.size());
        for (int i = 0; i < list.size(); i++) Array.set(array, i, read(list.get(i), element, bound));
        return array;
    }

    @SuppressWarnings("unchecked")
    private static Object readMap(Object json, Class<?> type, Type[] arguments, Map<TypeVariable<?>, Type> bound) throws Exception {
        if (!(json instanceof Map)) throw unfit(json, type);
        Map<Object, Object> map;
        if (!type.isInterface() && !Modifier.isAbstract(type.getModifiers())) map = (Map<Object, Object>) make(type);
        else map = SortedMap.class.isAssignableFrom(type) ? new TreeMap<>() : new LinkedHashMap<>();
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) json).entrySet())
            map.put(read(entry.getKey(), argument(arguments, 0), bound), read(entry.getValue(), argument(arguments, 1), bound));
        return map;
    }

    @SuppressWarnings("unchecked")
    private static Object readCollection(Object json, Class<?> type, Type[] arguments, Map<TypeVariable<?>, Type> bound) throws Exception {
        if (!(json instanceof List)) throw unfit(json, type);
        Collection<Object> all;
        if (!type.isInterface() && !Modifier.isAbstract(type.getModifiers())) all = (Collection<Object>) make(type);
        else if (SortedSet.class.isAssignableFrom(type)) all = new TreeSet<>();
        else if (Set.class.isAssignableFrom(type)) all = new LinkedHashSet<>();
        else all = Queue.class.isAssignableFrom(type) ? new ArrayDeque<>() : new ArrayList<>();
        for (Object one : (List<?>) json) all.add(read(one, argument(arguments, 0), bound));
        return all;
    }

    private static Object make(Class<?> type) throws Exception {
        Constructor<?> constructor = type.getDeclaredConstructor();
        constructor.setAccessible(true);
        return constructor.newInstance();
    }

    /** A type of one text or number: its constructor or factory (joda's DateTime among them). */
    private static Object readFromOne(Object json, Class<?> type) throws Exception {
        for (Class<?> from : new Class<?>[] {json.getClass(), Object.class}) {
            for (String factory : new String[] {"parse", "valueOf", "of", "fromString"}) {
                try {
                    Method method = type.getMethod(factory, from);
                    if (Modifier.isStatic(method.getModifiers())) return method.invoke(null, json);
                } catch (NoSuchMethodException none) {
                    continue;
                }
            }
            try {
                return type.getConstructor(from).newInstance(json);
            } catch (NoSuchMethodException none) {
                continue;
            }
        }
        try {
            return type.getMethod("parse", CharSequence.class).invoke(null, json);
        } catch (NoSuchMethodException none) {
            throw unfit(json, type);
        }
    }

    private static Object readBean(Map<?, ?> json, Class<?> type, Map<TypeVariable<?>, Type> bound) throws Exception {
        Object[] components = recordComponents(type);
        if (components != null) return readRecord(json, type, components, bound);
        if (type.isInterface() || Modifier.isAbstract(type.getModifiers())) throw unfit(json, type);
        Object bean = make(type);
        Map<String, Method> setters = new HashMap<>();
        for (Method method : type.getMethods())
            if (method.getName().length() > 3 && method.getName().startsWith("set") && method.getParameterCount() == 1 && !method.isBridge())
                setters.put(method.getName().substring(3).toLowerCase(Locale.ROOT), method);
        for (Map.Entry<?, ?> entry : json.entrySet()) {
            String name = plain(entry.getKey().toString());
            Method setter = setters.get(name);
            if (setter != null) {
                setter.setAccessible(true);
                setter.invoke(bean, read(entry.getValue(), setter.getGenericParameterTypes()[0], bound));
                continue;
            }
            Field field = field(type, name);
            if (field != null) field.set(bean, read(entry.getValue(), field.getGenericType(), bound));
        }
        return bean;
    }

    /** As AWS's event classes are named: "Records" is records, "x-amz-id" xAmzId, "eventSourceARN" eventSourceArn. */
    private static String plain(String name) {
        return name.replace("-", "").replace("_", "").toLowerCase(Locale.ROOT);
    }

    private static Field field(Class<?> type, String name) {
        for (Field field : type.getFields())
            if (field.getName().toLowerCase(Locale.ROOT).equals(name) && !Modifier.isStatic(field.getModifiers()) && !Modifier.isFinal(field.getModifiers()))
                return field;
        return null;
    }

    /** Of a record (Java 16 and newer): its components; else null. */
    private static Object[] recordComponents(Class<?> type) throws Exception {
        try {
            return (Object[]) Class.class.getMethod("getRecordComponents").invoke(type);
        } catch (NoSuchMethodException none) {
            return null;
        }
    }

    private static Object readRecord(Map<?, ?> json, Class<?> type, Object[] components, Map<TypeVariable<?>, Type> bound) throws Exception {
        Class<?>[] types = new Class<?>[components.length];
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            Class<?> component = components[i].getClass();
            types[i] = (Class<?>) component.getMethod("getType").invoke(components[i]);
            Type generic = (Type) component.getMethod("getGenericType").invoke(components[i]);
            values[i] = read(json.get(component.getMethod("getName").invoke(components[i])), generic, bound);
        }
        Constructor<?> constructor = type.getDeclaredConstructor(types);
        constructor.setAccessible(true);
        return constructor.newInstance(values);
    }

    // --- Java to JSON -----------------------------------------------------------------------------------------------

    static String write(Object value) throws Exception {
        StringBuilder out = new StringBuilder();
        write(out, value, 0);
        return out.toString();
    }

    private static void write(StringBuilder out, Object value, int depth) throws Exception {
        if (depth > 500) throw new IllegalArgumentException("nested too deeply");
        if (value == null || value instanceof Boolean) out.append(value);
        else if (value instanceof Double || value instanceof Float) {
            double number = ((Number) value).doubleValue();
            if (Double.isNaN(number) || Double.isInfinite(number)) text(out, value.toString());
            else out.append(value);
        } else if (value instanceof Number) out.append(value);
        else if (value instanceof CharSequence || value instanceof Character || value instanceof Enum || value instanceof UUID) text(out, value.toString());
        else if (value instanceof Map) map(out, (Map<?, ?>) value, depth);
        else if (value instanceof byte[]) text(out, Base64.getEncoder().encodeToString((byte[]) value));
        else if (value instanceof ByteBuffer) text(out, Base64.getEncoder().encodeToString(bytes((ByteBuffer) value)));
        else if (value instanceof Iterable) list(out, (Iterable<?>) value, depth);
        else if (value.getClass().isArray()) array(out, value, depth);
        else if (value instanceof Date) out.append(((Date) value).getTime());
        else if (value instanceof Calendar) out.append(((Calendar) value).getTimeInMillis());
        else if (value instanceof TemporalAccessor) text(out, value.toString());
        else if (value instanceof Optional) write(out, ((Optional<?>) value).orElse(null), depth);
        else if (value.getClass().getName().startsWith("org.joda.time.")) text(out, value.toString());
        else bean(out, value, depth);
    }

    private static byte[] bytes(ByteBuffer buffer) {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        return bytes;
    }

    private static void text(StringBuilder out, String text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            int escape = "\"\\\b\f\n\r\t".indexOf(c);
            if (escape >= 0) out.append('\\').append("\"\\bfnrt".charAt(escape));
            else if (c < 0x20 || Character.isSurrogate(c) && !paired(text, i)) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        out.append('"');
    }

    private static boolean paired(String text, int i) {
        if (Character.isHighSurrogate(text.charAt(i))) return i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1));
        return i > 0 && Character.isHighSurrogate(text.charAt(i - 1));
    }

    private static void map(StringBuilder out, Map<?, ?> map, int depth) throws Exception {
        char separator = '{';
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            out.append(separator);
            text(out, String.valueOf(entry.getKey()));
            out.append(':');
            write(out, entry.getValue(), depth + 1);
            separator = ',';
        }
        out.append(separator == '{' ? "{}" : "}");
    }

    private static void list(StringBuilder out, Iterable<?> list, int depth) throws Exception {
        char separator = '[';
        for (Object one : list) {
            out.append(separator);
            write(out, one, depth + 1);
            separator = ',';
        }
        out.append(separator == '[' ? "[]" : "]");
    }

    private static void array(StringBuilder out, Object array, int depth) throws Exception {
        List<Object> list = new ArrayList<>();
        for (int i = 0; i < Array.getLength(array); i++) list.add(Array.get(array, i));
        list(out, list, depth);
    }

    private static void bean(StringBuilder out, Object bean, int depth) throws Exception {
        Map<String, Object> properties = new LinkedHashMap<>();
        Object[] components = recordComponents(bean.getClass());
        if (components != null) {
            for (Object component : components) {
                Method accessor = (Method) component.getClass().getMethod("getAccessor").invoke(component);
                properties.put(accessor.getName(), call(accessor, bean));
            }
            map(out, properties, depth);
            return;
        }
        // In the order of the fields, as far as there are such.
        for (Class<?> type = bean.getClass(); type != Object.class && type != null; type = type.getSuperclass())
            for (Field field : type.getDeclaredFields())
                if (!Modifier.isStatic(field.getModifiers()) && !Modifier.isTransient(field.getModifiers())) {
                    Method getter = getter(bean.getClass(), field.getName());
                    if (getter != null) properties.putIfAbsent(property(getter), call(getter, bean));
                    else if (Modifier.isPublic(field.getModifiers())) properties.putIfAbsent(field.getName(), field.get(bean));
                }
        for (Method method : bean.getClass().getMethods())
            if (property(method) != null && !properties.containsKey(property(method))) properties.put(property(method), call(method, bean));
        map(out, properties, depth);
    }

    private static Object call(Method method, Object bean) throws Exception {
        try {
            method.setAccessible(true);
            return method.invoke(bean);
        } catch (InvocationTargetException error) {
            throw error.getCause() instanceof Exception ? (Exception) error.getCause() : error;
        }
    }

    private static Method getter(Class<?> type, String field) {
        for (Method method : type.getMethods()) {
            String name = property(method);
            if (name != null && name.equalsIgnoreCase(field)) return method;
        }
        return null;
    }

    /** The property that a getter gets; null of any other method. Leading capitals all become small. */
    private static String property(Method method) {
        String name = method.getName();
        boolean get = name.startsWith("get") && name.length() > 3;
        boolean is = name.startsWith("is") && name.length() > 2 && method.getReturnType() == boolean.class;
        if (method.getParameterCount() != 0 || Modifier.isStatic(method.getModifiers()) || method.getReturnType() == void.class
            || method.getDeclaringClass() == Object.class || method.isBridge() || !(get || is)) return null;
        String rest = name.substring(get ? 3 : 2);
        int capitals = 0;
        while (capitals < rest.length() && Character.isUpperCase(rest.charAt(capitals))) capitals++;
        return rest.substring(0, capitals).toLowerCase(Locale.ROOT) + rest.substring(capitals);
    }
}
