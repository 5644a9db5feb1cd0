#include "crayon/router/internal/plain_text.h"

#include <array>
#include <cstdint>

namespace crayon {
namespace {

constexpr std::uint32_t kGone = 0x110000;  // no character: nothing takes its place

/// The digits of other scripts that people write phone numbers in, by their zero: Arabic, Persian,
/// Devanagari, Bengali.
constexpr std::array<std::uint32_t, 4> kZeros = {0x660, 0x6F0, 0x966, 0x9E6};

/// What a character of three or two bytes looks like; itself when it looks like nothing else.
std::uint32_t look(std::uint32_t c) {
  if (c == 0xAD || c == 0x34F || c == 0x61C || c == 0x180E || (c >= 0x200B && c <= 0x200F) ||
      (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
      (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF) {
    return kGone;  // soft hyphen, no width, directions, variants
  }
  for (const std::uint32_t zero : kZeros) {
    if (c >= zero && c < zero + 10) return c - zero + '0';
  }
  if (c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000) {
    return ' ';
  }
  if ((c >= 0x2010 && c <= 0x2015) || c == 0x2212) return '-';
  if (c == 0x2024 || c == 0xFE52) return '.';
  if (c == 0xFE6B) return '@';
  if (c >= 0xFF01 && c <= 0xFF5E) return c - 0xFF01 + '!';
  return c;
}

}  // namespace

PlainText::PlainText(std::string_view text) {
  text_.reserve(text.size());
  origin_.reserve(text.size() + 1);
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t length = 1;
    std::uint32_t character = kGone;
    if ((byte(i) & 0xE0u) == 0xC0u && follows(i + 1)) {
      length = 2;
      character = (byte(i) & 0x1Fu) << 6 | (byte(i + 1) & 0x3Fu);
    } else if ((byte(i) & 0xF0u) == 0xE0u && follows(i + 1) && follows(i + 2)) {
      length = 3;
      character = (byte(i) & 0x0Fu) << 12 | (byte(i + 1) & 0x3Fu) << 6 | (byte(i + 2) & 0x3Fu);
    }
    const std::uint32_t seen = length == 1 ? byte(i) : look(character);
    if (length == 1 || seen < 0x80) {
      text_ += static_cast<char>(seen);
      origin_.push_back(i);
    } else if (seen != kGone) {
      for (std::size_t k = 0; k < length; ++k) {
        text_ += text[i + k];
        origin_.push_back(i + k);
      }
    }
    i += length;
  }
  origin_.push_back(text.size());
}

}  // namespace crayon
