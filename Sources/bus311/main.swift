print("bus311")
