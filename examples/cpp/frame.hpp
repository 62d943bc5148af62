// The way of a frame around the network, in the C++ standard library only: read the card, resize and pad the frame,
// turn logits into the class map. docs/card.md explains every step; the results are the same as Python's to the pixel.
//
// Compile with -ffp-contract=off: a fused product and sum would round otherwise than Python does.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace streetseg {

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

// Interleaved pixels: 3 channels are RGB, 1 is a class map.
struct Image {
    int height = 0, width = 0, channels = 3;
    std::vector<std::uint8_t> pixels;

    Image(int h, int w, int c) : height(h), width(w), channels(c), pixels(std::size_t(h) * w * c) {}
    std::uint8_t* row(int y) { return pixels.data() + std::size_t(y) * width * channels; }
    const std::uint8_t* row(int y) const { return pixels.data() + std::size_t(y) * width * channels; }
};

// Read a binary PPM (P6, 8 bits).
inline Image read_ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) fail(path + " cannot be opened");
    auto word = [&] {
        std::string text;
        while (file >> std::ws && file.peek() == '#') std::getline(file, text);  // comments
        file >> text;
        return text;
    };
    auto number = [&] {
        const std::string text = word();
        const bool digits = !text.empty() && text.size() < 7 && std::all_of(text.begin(), text.end(), ::isdigit);
        return digits ? std::stoi(text) : 0;
    };
    if (word() != "P6") fail(path + " is not a binary PPM; make one with: magick PICTURE -depth 8 FRAME.ppm");
    const int width = number(), height = number();
    if (width < 1 || height < 1 || number() != 255) fail(path + " is not a PPM of 8 bits");
    file.get();  // one space
    Image image(height, width, 3);
    if (!file.read(reinterpret_cast<char*>(image.pixels.data()), std::streamsize(image.pixels.size())))
        fail(path + " is truncated");
    return image;
}

// Write a class map as a binary PGM: its values are class indices.
inline void write_pgm(const std::string& path, const Image& classmap) {
    std::ofstream file(path, std::ios::binary);
    file << "P5\n" << classmap.width << ' ' << classmap.height << "\n255\n";
    file.write(reinterpret_cast<const char*>(classmap.pixels.data()), std::streamsize(classmap.pixels.size()));
    if (!file.flush()) fail(path + " cannot be written");
}

// A value of JSON; as much of it as a card needs.
struct Json {
    enum Kind { null, boolean, number, text, list, object } kind = null;
    double value = 0;  // of a number; 0 or 1 of a boolean
    std::string string;
    std::vector<Json> items;
    std::map<std::string, Json> fields;

    const Json& of(Kind wanted, const std::string& name) const {
        if (kind != wanted) fail("the card's " + name + " is missing or of another type");
        return *this;
    }
    const Json& field(const std::string& name, Kind wanted) const {
        static const Json missing;
        const auto found = fields.find(name);
        return (found == fields.end() ? missing : found->second).of(wanted, name);
    }
};

class JsonReader {
public:
    explicit JsonReader(const std::string& text) : at_(text.data()), end_(text.data() + text.size()) {}

    Json read() {
        Json value = next(0);
        if (skip() != '\0') fail("the card is not JSON");
        return value;
    }

private:
    const char *at_, *end_;

    char skip() {
        while (at_ < end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
        return at_ < end_ ? *at_ : '\0';
    }
    void take(char expected) {
        if (skip() != expected) fail("the card is not JSON");
        ++at_;
    }
    bool word(const char* letters) {
        const std::string wanted(letters);
        if (std::size_t(end_ - at_) < wanted.size() || wanted.compare(0, wanted.size(), at_, wanted.size())) return false;
        at_ += wanted.size();
        return true;
    }

    Json next(int depth) {
        if (depth > 64) fail("the card is nested too deeply");
        Json json;
        const char first = skip();
        if (first == '{' || first == '[') {
            const bool object = first == '{';
            json.kind = object ? Json::object : Json::list;
            take(first);
            for (bool more = skip() != (object ? '}' : ']'); more;) {
                std::string name;
                if (object) name = read_string(), take(':');
                (object ? json.fields[name] : json.items.emplace_back()) = next(depth + 1);
                if ((more = skip() == ',')) take(',');
            }
            take(object ? '}' : ']');
        } else if (first == '"') {
            json.kind = Json::text;
            json.string = read_string();
        } else if (word("true")) {
            json.kind = Json::boolean, json.value = 1;
        } else if (word("false")) {
            json.kind = Json::boolean;
        } else if (!word("null")) {
            const char* from = at_;
            while (at_ < end_ && (std::isdigit(std::uint8_t(*at_)) || std::string("+-.eE").find(*at_) != std::string::npos))
                ++at_;
            json.kind = Json::number;
            std::size_t used = 0;
            const std::string digits(from, at_);
            if (!digits.empty()) json.value = std::stod(digits, &used);
            if (digits.empty() || used != digits.size()) fail("the card is not JSON");
        }
        return json;
    }

    unsigned hexadecimal() {
        if (end_ - at_ < 4) fail("the card is not JSON");
        const std::string digits(at_, 4);
        at_ += 4;
        return unsigned(std::stoul(digits, nullptr, 16));
    }

    std::string read_string() {
        take('"');
        std::string text;
        while (at_ < end_ && *at_ != '"') {
            if (*at_ != '\\') {
                text += *at_++;
                continue;
            }
            if (++at_ == end_) break;
            const char escape = *at_++;
            const std::string plain = "\"\\/", letters = "bfnrt", meant = "\b\f\n\r\t";
            if (plain.find(escape) != std::string::npos) {
                text += escape;
            } else if (letters.find(escape) != std::string::npos) {
                text += meant[letters.find(escape)];
            } else if (escape == 'u') {
                unsigned code = hexadecimal();
                if (code >= 0xD800 && code < 0xDC00 && word("\\u"))
                    code = 0x10000 + ((code - 0xD800) << 10) + (hexadecimal() - 0xDC00);
                if (code < 0x80) text += char(code);
                else if (code < 0x800) text += {char(0xC0 | code >> 6), char(0x80 | (code & 63))};
                else if (code < 0x10000)
                    text += {char(0xE0 | code >> 12), char(0x80 | (code >> 6 & 63)), char(0x80 | (code & 63))};
                else
                    text += {char(0xF0 | code >> 18), char(0x80 | (code >> 12 & 63)), char(0x80 | (code >> 6 & 63)),
                             char(0x80 | (code & 63))};
            } else {
                fail("the card is not JSON");
            }
        }
        take('"');
        return text;
    }
};

// What a consumer needs of the card.
struct Card {
    std::vector<std::string> classes;
    int output_stride = 0, size_multiple = 0, native_short_side = 0;
    double operating_scale = 1;
    bool align_corners = false;

    explicit Card(const std::string& text) {
        const Json json = JsonReader(text).read();
        const auto number = [&](const char* name) { return json.field(name, Json::number).value; };
        if (number("card_version") < 1 || number("card_version") > 2)  // 3: another form of input or output
            fail("the card has a version that is not known here: export the artefact in the usual form");
        for (const Json& name : json.field("classes", Json::list).items)
            classes.push_back(name.of(Json::text, "classes").string);
        output_stride = int(number("output_stride"));
        size_multiple = int(number("size_multiple"));
        native_short_side = int(number("native_short_side"));
        operating_scale = number("operating_scale");
        align_corners = json.field("align_corners", Json::boolean).value != 0;
        if (classes.empty() || classes.size() > 255 || output_stride < 1 || size_multiple < output_stride ||
            native_short_side < 1 || !(operating_scale > 0 && operating_scale <= 4))
            fail("the card contradicts itself");
    }
};

// What one output pixel is made of along one axis: pixels from `first` on, with weights in units of 2^-22.
struct Taps {
    int first;
    std::vector<std::int32_t> weights;
};

inline std::vector<Taps> taps_along(int from, int to) {
    const double scale = double(from) / to, reach = std::max(1.0, scale);
    std::vector<Taps> all;
    for (int i = 0; i < to; ++i) {
        const double centre = (i + 0.5) * scale;
        const int first = std::max(0, int(centre - reach + 0.5)), last = std::min(from, int(centre + reach + 0.5));
        std::vector<double> triangle;
        double sum = 0;
        for (int x = first; x < last; ++x) {
            triangle.push_back(std::max(0.0, 1 - std::abs((x - centre + 0.5) * (1 / reach))));
            sum += triangle.back();
        }
        Taps taps{first, {}};
        for (double weight : triangle)
            taps.weights.push_back(std::int32_t(0.5 + (sum != 0 ? weight * (1 / sum) : weight) * (1 << 22)));
        all.push_back(std::move(taps));
    }
    return all;
}

// Resize as Pillow's bilinear filter does: a triangle, widened where it reduces; rows first, 8 bits in between.
inline Image resize(const Image& image, int height, int width) {
    const auto byte = [](std::int32_t sum) { return std::uint8_t(std::clamp(sum >> 22, 0, 255)); };
    Image narrow(image.height, width, image.channels);
    const auto columns = taps_along(image.width, width);
    for (int y = 0; y < image.height; ++y)
        for (int x = 0; x < width; ++x)
            for (int c = 0; c < image.channels; ++c) {
                std::int32_t sum = 1 << 21;
                const std::uint8_t* pixel = image.row(y) + std::size_t(columns[x].first) * image.channels + c;
                for (std::int32_t weight : columns[x].weights) sum += *pixel * weight, pixel += image.channels;
                narrow.row(y)[x * image.channels + c] = byte(sum);
            }
    Image out(height, width, image.channels);
    const auto rows = taps_along(image.height, height);
    for (int y = 0; y < height; ++y)
        for (int x = 0; x < width * image.channels; ++x) {
            std::int32_t sum = 1 << 21;
            int from = rows[y].first;
            for (std::int32_t weight : rows[y].weights) sum += narrow.row(from++)[x] * weight;
            out.row(y)[x] = byte(sum);
        }
    return out;
}

// A frame as the network takes it.
struct Prepared {
    Image input;
    int content_height, content_width;  // the resized frame, before it was padded
};

inline Prepared prepare(const Image& frame, const Card& card) {
    const double ratio = std::min(1.0, double(card.native_short_side) / std::min(frame.height, frame.width)) *
                         card.operating_scale;
    // nearbyint rounds a half to the even number, as Python does.
    const int height = std::max(1, int(std::nearbyint(frame.height * ratio)));
    const int width = std::max(1, int(std::nearbyint(frame.width * ratio)));
    const auto up = [&](int n) { return (n + card.size_multiple - 1) / card.size_multiple * card.size_multiple; };
    const Image content = height == frame.height && width == frame.width ? frame : resize(frame, height, width);
    Image input(up(height), up(width), 3);
    for (int y = 0; y < input.height; ++y) {
        const std::uint8_t* from = content.row(std::min(y, height - 1));
        std::copy_n(from, width * 3, input.row(y));
        for (int x = width; x < input.width; ++x) std::copy_n(from + 3 * (width - 1), 3, input.row(y) + 3 * x);
    }
    return {std::move(input), height, width};
}

// The two logits around each pixel along one axis, and how much the second one counts.
struct Around {
    std::vector<int> low, high;
    std::vector<float> weight;
};

inline Around around(int frame, int content, int padded, int logits, bool align_corners) {
    Around out;
    for (int i = 0; i < frame; ++i) {
        const double centre = (i + 0.5) * content / frame;
        const double position = !align_corners ? centre * logits / padded - 0.5
                                : padded > 1   ? (centre - 0.5) * (logits - 1) / (padded - 1)
                                               : 0.0;
        const int below = int(std::floor(position));
        out.low.push_back(std::clamp(below, 0, logits - 1));
        out.high.push_back(std::clamp(below + 1, 0, logits - 1));
        out.weight.push_back(float(position - below));
    }
    return out;
}

// Return the class map: the largest of the interpolated logits, the lowest index of equal ones. logits: h x w x C.
inline Image class_map(const float* logits, int h, int w, int classes, const Image& frame, const Prepared& prepared,
                       bool align_corners) {
    const Around rows = around(frame.height, prepared.content_height, prepared.input.height, h, align_corners);
    const Around columns = around(frame.width, prepared.content_width, prepared.input.width, w, align_corners);
    std::vector<std::uint8_t> best(std::size_t(h) * w);
    for (std::size_t i = 0; i < best.size(); ++i)
        best[i] = std::uint8_t(std::max_element(logits + i * classes, logits + (i + 1) * classes) - (logits + i * classes));

    Image out(frame.height, frame.width, 1);
    for (int y = 0; y < frame.height; ++y)
        for (int x = 0; x < frame.width; ++x) {
            const std::size_t corner[4] = {
                std::size_t(rows.low[y]) * w + columns.low[x], std::size_t(rows.low[y]) * w + columns.high[x],
                std::size_t(rows.high[y]) * w + columns.low[x], std::size_t(rows.high[y]) * w + columns.high[x]};
            std::uint8_t winner = best[corner[0]];
            // Where all four corners agree, every mixture of them does.
            if (winner != best[corner[1]] || winner != best[corner[2]] || winner != best[corner[3]]) {
                const float *a = logits + corner[0] * classes, *b = logits + corner[1] * classes;
                const float *c = logits + corner[2] * classes, *d = logits + corner[3] * classes;
                float largest = -INFINITY;
                for (int k = 0; k < classes; ++k) {
                    const float left = a[k] + (c[k] - a[k]) * rows.weight[y];
                    const float right = b[k] + (d[k] - b[k]) * rows.weight[y];
                    const float value = left + (right - left) * columns.weight[x];
                    if (value > largest) largest = value, winner = std::uint8_t(k);
                }
            }
            out.row(y)[x] = winner;
        }
    return out;
}

// Print a line of a frame: its size, the milliseconds, the classes with their share.
inline std::string line(const std::string& name, const Image& classmap, const Card& card, double network, double whole) {
    std::vector<std::size_t> count(card.classes.size());
    for (std::uint8_t pixel : classmap.pixels) ++count[pixel];
    const auto tenths = [](double value) {
        const long whole_tenths = std::lround(value * 10);
        return std::to_string(whole_tenths / 10) + "." + std::to_string(whole_tenths % 10);
    };
    std::string text = name + ": " + std::to_string(classmap.width) + " x " + std::to_string(classmap.height) + ", network " +
                       tenths(network) + " ms, all " + tenths(whole) + " ms";
    for (std::size_t k = 0; k < count.size(); ++k)
        if (count[k]) text += ", " + card.classes[k] + " " + tenths(100.0 * double(count[k]) / double(classmap.pixels.size())) + " %";
    return text;
}

}  // namespace streetseg
