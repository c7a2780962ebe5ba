// The kernel's printf: the C library's conversions, and what the kernel hangs on %p. No floating point, as there.
#include <cstdio>
#include <cstring>
#include <string_view>

#include "bottomhalf/base/symbol.hpp"
#include "error_name.hpp"
#include "glue.hpp"

namespace bottomhalf::linux_api {

namespace {

struct VaFormat {  // struct va_format
    const char* fmt;
    va_list* va;
};

// One conversion: "%-08.3llx" taken apart.
struct Spec {
    std::string flags;
    int width = -1, precision = -1;
    enum Length { none, hh, h, l, ll, z } length = none;
    char conversion = 0;

    std::string pattern(const char* length_text) const {
        std::string text = "%" + flags;
        if (width >= 0) text += std::to_string(width);
        if (precision >= 0) text += "." + std::to_string(precision);
        return text + length_text + conversion;
    }
};

class Printer {
public:
    explicit Printer(va_list args) { va_copy(args_, args); }
    ~Printer() { va_end(args_); }
    Printer(const Printer&) = delete;
    Printer& operator=(const Printer&) = delete;

    std::string print(const char* fmt) {
        while (*fmt != '\0') {
            const char* percent = std::strchr(fmt, '%');
            if (percent == nullptr) {
                out_ += fmt;
                break;
            }
            out_.append(fmt, percent);
            fmt = convert(percent + 1);
        }
        return std::move(out_);
    }

private:
    const char* convert(const char* p) {
        Spec spec;
        while (*p != '\0' && std::strchr("-+ #0", *p) != nullptr) spec.flags += *p++;
        p = number(p, spec.width);
        if (spec.width < -1) {
            spec.flags += '-';
            spec.width = -spec.width;
        }
        if (*p == '.') {
            spec.precision = 0;
            p = number(p + 1, spec.precision);
        }
        p = length(p, spec);
        if (*p == '\0') return p;
        spec.conversion = *p++;
        switch (spec.conversion) {
            case '%':
                out_ += '%';
                return p;
            case 'd':
            case 'i':
                signed_value(spec);
                return p;
            case 'u':
            case 'x':
            case 'X':
            case 'o':
                unsigned_value(spec);
                return p;
            case 'c':
                put(spec.pattern("").c_str(), va_arg(args_, int));
                return p;
            case 's':
                text(spec, va_arg(args_, const char*));
                return p;
            case 'p':
                return pointer(spec, p);
            default:  // Linux stops here, too: the rest of the arguments cannot be told
                out_ += '%';
                out_ += spec.conversion;
                return p;
        }
    }

    const char* number(const char* p, int& value) {
        if (*p == '*') {
            value = va_arg(args_, int);
            return p + 1;
        }
        if (*p < '0' || *p > '9') return p;
        for (value = 0; *p >= '0' && *p <= '9'; ++p) value = value * 10 + (*p - '0');
        return p;
    }

    static const char* length(const char* p, Spec& spec) {
        if (*p == 'h') {
            spec.length = p[1] == 'h' ? Spec::hh : Spec::h;
            return p + (p[1] == 'h' ? 2 : 1);
        }
        if (*p == 'l') {
            spec.length = p[1] == 'l' ? Spec::ll : Spec::l;
            return p + (p[1] == 'l' ? 2 : 1);
        }
        if (*p == 'L' || *p == 'q') spec.length = Spec::ll;
        if (*p == 'z' || *p == 'Z' || *p == 't') spec.length = Spec::z;
        return spec.length == Spec::none ? p : p + 1;
    }

    void signed_value(const Spec& spec) {
        long long v = 0;
        switch (spec.length) {
            case Spec::hh:
                v = static_cast<signed char>(va_arg(args_, int));
                break;
            case Spec::h:
                v = static_cast<short>(va_arg(args_, int));
                break;
            case Spec::l:
                v = va_arg(args_, long);
                break;
            case Spec::ll:
                v = va_arg(args_, long long);
                break;
            case Spec::z:
                v = va_arg(args_, std::ptrdiff_t);
                break;
            case Spec::none:
                v = va_arg(args_, int);
                break;
        }
        put(spec.pattern("ll").c_str(), v);
    }

    void unsigned_value(const Spec& spec) {
        unsigned long long v = 0;
        switch (spec.length) {
            case Spec::hh:
                v = static_cast<unsigned char>(va_arg(args_, unsigned));
                break;
            case Spec::h:
                v = static_cast<unsigned short>(va_arg(args_, unsigned));
                break;
            case Spec::l:
                v = va_arg(args_, unsigned long);
                break;
            case Spec::ll:
                v = va_arg(args_, unsigned long long);
                break;
            case Spec::z:
                v = va_arg(args_, std::size_t);
                break;
            case Spec::none:
                v = va_arg(args_, unsigned);
                break;
        }
        put(spec.pattern("ll").c_str(), v);
    }

    template <class... A>
    void put(const char* pattern, A... values) {
        char small[96];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-security"
        const int n = std::snprintf(small, sizeof small, pattern, values...);
        if (n < 0) return;
        if (static_cast<std::size_t>(n) < sizeof small) {
            out_.append(small, static_cast<std::size_t>(n));
            return;
        }
        std::string big(static_cast<std::size_t>(n) + 1, '\0');
        std::snprintf(big.data(), big.size(), pattern, values...);
#pragma GCC diagnostic pop
        big.pop_back();
        out_ += big;
    }

    void text(Spec spec, const char* s) {
        spec.conversion = 's';
        if (s == nullptr) s = "(null)";
        // Linux looks at the pointer, too, before it follows it: not in the first page, and no error pointer.
        const auto address = reinterpret_cast<std::uintptr_t>(s);
        if (address < 4096 || address >= static_cast<std::uintptr_t>(-4095)) s = "(efault)";
        put(spec.pattern("").c_str(), s);
    }
    void text(const Spec& spec, const std::string& s) { text(spec, s.c_str()); }

    // "0000000000000007": Linux shows a hash, so that the log betrays no address; here it is the object's number in
    // its machine, the same in every run.
    std::string hashed(const void* p) {
        unsigned long long id = 0;
        Task* self = current_task();
        Domain* domain = self != nullptr ? self->domain.load() : nullptr;
        if (p != nullptr) id = domain != nullptr ? domain->trace.id_of(p) : 1;
        char digits[24];
        std::snprintf(digits, sizeof digits, "%016llx", id);
        return digits;
    }

    const char* pointer(Spec& spec, const char* p) {
        const void* value = va_arg(args_, const void*);
        switch (*p) {
            case 'S':
            case 's':
            case 'F':
            case 'f':
            case 'B':
                text(spec, symbol(value, *p == 'S' || *p == 'F' || *p == 'B'));
                return p + (p[1] == 'R' || p[1] == 'b' ? 2 : 1);
            case 'V': {
                const auto* nested = static_cast<const VaFormat*>(value);
                text(spec, format(nested->fmt, *nested->va));
                return p + 1;
            }
            case 'x':
                put("%016llx", static_cast<unsigned long long>(reinterpret_cast<std::uintptr_t>(value)));
                return p + 1;
            case 'K':
                text(spec, hashed(value));
                return p + 1;
            case 'e':
                text(spec, error_name(value));
                return p + 1;
            case 'h':
                return hex_string(spec, static_cast<const unsigned char*>(value), p + 1);
            case 'b':
                return bitmap(spec, static_cast<const unsigned long*>(value), p + 1);
            case 'M':
            case 'm':
                mac(static_cast<const unsigned char*>(value), *p == 'M' ? ":" : "");
                return p + 1;
            case 'I':
                if (p[1] == '4') {
                    const auto* a = static_cast<const unsigned char*>(value);
                    put("%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
                    return p + 2;
                }
                break;
            case 'a':  // %pad, %pap: an address kept in memory
                put("0x%016llx", *static_cast<const unsigned long long*>(value));
                return p + (p[1] == 'd' || p[1] == 'p' ? 2 : 1);
            default:
                break;
        }
        text(spec, hashed(value));
        return p;
    }

    static std::string symbol(const void* address, bool offset) {
        const Symbol symbol = symbol_of(address);
        if (offset || symbol.name.empty()) return symbol.to_string(address);
        return symbol.name + (symbol.object.empty() ? "" : " [" + symbol.object + "]");
    }

    std::string error_name(const void* value) {
        const auto number = -static_cast<long>(reinterpret_cast<std::intptr_t>(value));
        if (number <= 0 || number > 4095) return hashed(value);
        const char* name = error_name_of(static_cast<int>(number));
        return name != nullptr ? "-" + std::string(name) : std::to_string(-number);
    }

    // %*ph: bytes in hexadecimal, separated by blanks; C: colons, D: dashes, N: nothing.
    const char* hex_string(const Spec& spec, const unsigned char* bytes, const char* p) {
        const char separator = *p == 'C' ? ':' : *p == 'D' ? '-' : *p == 'N' ? '\0' : ' ';
        const int n = spec.width > 0 ? (spec.width < 64 ? spec.width : 64) : 1;
        for (int i = 0; i < n; ++i) {
            if (i > 0 && separator != '\0') out_ += separator;
            put("%02x", bytes[i]);
        }
        return *p != '\0' && std::strchr("CDN", *p) != nullptr ? p + 1 : p;
    }

    // %*pb: hexadecimal, %*pbl: a list of ranges.
    const char* bitmap(const Spec& spec, const unsigned long* bits, const char* p) {
        const int n = spec.width > 0 ? spec.width : 0;
        const auto is_set = [&](int i) { return (bits[i / 64] >> (i % 64) & 1) != 0; };
        if (*p != 'l') {
            for (int word = (n + 31) / 32 - 1; word >= 0; --word) {
                const auto value = static_cast<unsigned>(bits[word / 2] >> (word % 2 * 32));
                const bool first = word == (n + 31) / 32 - 1;
                const int digits = first && n % 32 != 0 ? (n % 32 + 3) / 4 : 8;
                put("%0*x%s", digits, value, word > 0 ? "," : "");
            }
            return p;
        }
        const char* comma = "";
        for (int i = 0; i < n; ++i) {
            if (!is_set(i)) continue;
            int last = i;
            while (last + 1 < n && is_set(last + 1)) ++last;
            if (last == i)
                put("%s%d", comma, i);
            else
                put("%s%d-%d", comma, i, last);
            comma = ",";
            i = last;
        }
        return p + 1;
    }

    void mac(const unsigned char* a, const char* sep) {
        put("%02x%s%02x%s%02x%s%02x%s%02x%s%02x", a[0], sep, a[1], sep, a[2], sep, a[3], sep, a[4], sep, a[5]);
    }

    va_list args_;
    std::string out_;
};

}  // namespace

std::string format(const char* fmt, va_list args) { return Printer(args).print(fmt); }

}  // namespace bottomhalf::linux_api
