// Hides private data in texts behind placeholders that say what stood there ("[EMAIL_1]"), the same
// for the same data, so that an answer stays useful; and puts it back into the answer.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crayon/router/policy.h"

namespace crayon {

class Redaction {
 public:
  /// What is hidden in one place is hidden wherever the same four bytes or more stand.
  /// @throws Error InvalidArgument  a part that does not lie in its text, or without a label: the
  ///                                check that named it is not to be trusted; so many parts in
  ///                                so much text that looking for them would take too long
  Redaction(std::span<const std::string_view> texts, std::span<const HiddenPart> hidden);

  /// The texts, in their order, with placeholders.
  [[nodiscard]] const std::vector<std::string>& texts() const { return texts_; }
  /// An answer with the data in place of their placeholders.
  [[nodiscard]] std::string restore(std::string_view answer) const;
  /// Takes the next piece of a streamed answer and gives what of it can be said; what may be the
  /// beginning of a placeholder waits. @param last  no more will come
  [[nodiscard]] std::string restore_piece(std::string_view piece, bool last);

 private:
  [[nodiscard]] std::string placeholder(std::string_view value, const std::string& label,
                                        std::span<const std::string_view> texts);

  std::vector<std::string> texts_;
  std::map<std::string, std::string, std::less<>> values_;   ///< By placeholder.
  std::map<std::string, std::string, std::less<>> holders_;  ///< Placeholder by value.
  std::string waiting_;
  std::size_t longest_ = 0;  ///< Bytes of a placeholder.
};

}  // namespace crayon
