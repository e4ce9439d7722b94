let () =
  for i = 1 to Array.length Sys.argv - 1 do
    print_endline (string_of_int (Option.value (Listen_fd.listen_fd Sys.argv.(i)) ~default:(-1)))
  done
