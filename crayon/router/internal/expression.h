// RE2 as this part uses it: bytes in, matches with their groups out, nothing logged.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "re2/re2.h"

namespace crayon {

/// A regular expression of ours over bytes; it must compile.
class Expression {
 public:
  explicit Expression(const char* pattern);

  /// Calls use(match) for each match from left to right, match[0] the whole, match[1] and match[2]
  /// the groups. `use` returns where the search goes on; nothing before the match's second byte is
  /// looked at again.
  template <typename Use>
  void walk(std::string_view text, Use use) const {
    std::size_t at = 0;
    std::array<re2::StringPiece, 3> found;
    const re2::StringPiece whole(text.data(), text.size());
    const int groups = 1 + std::min(2, regex_.NumberOfCapturingGroups());
    while (at <= text.size() &&
           regex_.Match(whole, at, text.size(), RE2::UNANCHORED, found.data(), groups)) {
      std::array<std::string_view, 3> match;
      for (int i = 0; i < groups; ++i) {
        const auto k = static_cast<std::size_t>(i);
        match[k] = std::string_view(found[k].data(), found[k].size());
      }
      const auto begin = static_cast<std::size_t>(match[0].data() - text.data());
      at = std::max(use(match), begin + 1);
    }
  }

  /// The same; a true from `use` lets the search go on behind the match, a false one byte behind
  /// its beginning: for matches of limited length only, as each byte of one may begin a further
  /// look.
  template <typename Use>
  void each(std::string_view text, Use use) const {
    walk(text, [&](const auto& match) {
      const auto begin = static_cast<std::size_t>(match[0].data() - text.data());
      return use(match) ? begin + match[0].size() : begin + 1;
    });
  }

 private:
  RE2 regex_;
};

}  // namespace crayon
