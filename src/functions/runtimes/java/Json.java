package kumoniwa;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON texts to maps, lists, strings, numbers, booleans and null. Writing is the Mapper's. */
final class Json {
    private static final int DEEPEST = 1000;
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object parse(String text) {
        Json json = new Json(text);
        Object value = json.value(0);
        json.blanks();
        if (json.at < text.length()) throw json.wrong();
        return value;
    }

    private IllegalArgumentException wrong() {
        return new IllegalArgumentException("unexpected text at offset " + at);
    }

    private void blanks() {
        while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
    }

    private char next() {
        if (at >= text.length()) throw wrong();
        return text.charAt(at);
    }

    private boolean take(char wanted) {
        blanks();
        if (next() != wanted) return false;
        at++;
        return true;
    }

    private Object value(int depth) {
        if (depth > DEEPEST) throw new IllegalArgumentException("nested too deeply");
        blanks();
        switch (next()) {
            case '{':
                return object(depth);
            case '[':
                return list(depth);
            case '"':
                return string();
            case 't':
                return word("true", Boolean.TRUE);
            case 'f':
                return word("false", Boolean.FALSE);
            case 'n':
                return word("null", null);
            default:
                return number();
        }
    }

    private Object word(String word, Object value) {
        if (!text.startsWith(word, at)) throw wrong();
        at += word.length();
        return value;
    }

    private Map<String, Object> object(int depth) {
        Map<String, Object> map = new LinkedHashMap<>();
        at++;
        if (take('}')) return map;
        do {
            blanks();
            if (next() != '"') throw wrong();
            String key = string();
            if (!take(':')) throw wrong();
            map.put(key, value(depth + 1));
        } while (take(','));
        if (!take('}')) throw wrong();
        return map;
    }

    private List<Object> list(int depth) {
        List<Object> list = new ArrayList<>();
        at++;
        if (take(']')) return list;
        do list.add(value(depth + 1));
        while (take(','));
        if (!take(']')) throw wrong();
        return list;
    }

    private String string() {
        int begin = ++at;
        while (next() != '"' && text.charAt(at) != '\\') at++;
        if (text.charAt(at) == '"') return text.substring(begin, at++);
        StringBuilder out = new StringBuilder(text.substring(begin, at));
        for (char c = next(); c != '"'; c = next()) {
            at++;
            out.append(c == '\\' ? escape() : c);
        }
        at++;
        return out.toString();
    }

    private char escape() {
        char c = next();
        at++;
        int plain = "\"\\/bfnrt".indexOf(c);
        if (plain >= 0) return "\"\\/\b\f\n\r\t".charAt(plain);
        if (c != 'u' || at + 4 > text.length()) throw wrong();
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
    }

    private Number number() {
        int begin = at;
        while (at < text.length() && "+-0123456789.eE".indexOf(text.charAt(at)) >= 0) at++;
        String digits = text.substring(begin, at);
        if (digits.isEmpty()) throw wrong();
        boolean whole = digits.indexOf('.') < 0 && digits.indexOf('e') < 0 && digits.indexOf('E') < 0;
        if (!whole) return digits.length() < 17 ? (Number) Double.valueOf(digits) : (Number) new BigDecimal(digits);
        BigInteger value = new BigInteger(digits);
        if (value.bitLength() < 32) return value.intValue();
        return value.bitLength() < 64 ? (Number) value.longValue() : value;
    }
}
