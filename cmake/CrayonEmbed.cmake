# crayon_embed(<out.cpp> <header> <function> <file> ...): compiles text files in. Each function, which
# the header declares, returns its file as a std::string; the program then needs no file beside it.
function(crayon_embed output header)
  set(code "// Made by the build from the files that crayon_embed() was given.\n#include \"${header}\"\n\n")
  string(APPEND code "namespace crayon {\n")
  while(ARGN)
    list(POP_FRONT ARGN function file)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    crayon_embed_pieces(pieces "${file}")
    string(APPEND code "\nstd::string ${function}() {\n  std::string text;\n${pieces}  return text;\n}\n")
  endwhile()
  string(APPEND code "\n}  // namespace crayon\n")
  # Written in place, the file would be compiled again whenever CMake runs.
  file(WRITE "${output}.new" "${code}")
  file(COPY_FILE "${output}.new" "${output}" ONLY_IF_DIFFERENT)
endfunction()

# A file as statements that append to `text`. A compiler need not take a string of more than 65536
# bytes, and a cut must not go through a character of several bytes: the text is to be ASCII.
function(crayon_embed_pieces result file)
  file(READ "${file}" text)
  if(text MATCHES "[^\t-~]" OR text MATCHES "\\)crayon\"")
    message(FATAL_ERROR "${file}: is not plain ASCII or holds the end of a raw string; write "
                        "other characters as the language's escapes")
  endif()
  set(code "")
  string(LENGTH "${text}" length)
  set(piece_bytes 16000)
  set(at 0)
  while(at LESS length)
    string(SUBSTRING "${text}" ${at} ${piece_bytes} piece)
    string(APPEND code "  text += R\"crayon(${piece})crayon\";\n")
    math(EXPR at "${at} + ${piece_bytes}")
  endwhile()
  set(${result} "${code}" PARENT_SCOPE)
endfunction()
